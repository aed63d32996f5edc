package snapshot

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// DumpVersion and DumpKind say what a file is that Write made.
const (
	DumpVersion = "dump.shoal.dev/v1"
	DumpKind    = "ClusterDump"
)

// file is the form of a dump, and of the lists that kubectl prints.
type file struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	TakenAt    *time.Time        `json:"takenAt,omitempty"`
	Version    string            `json:"kubernetes,omitempty"`
	Unreadable []string          `json:"unreadable,omitempty"`
	Items      []json.RawMessage `json:"items"`
}

// Write writes a cluster as JSON, redacted.
func Write(out io.Writer, c *Cluster) error {
	c = Redacted(c)
	scheme, err := Scheme()
	if err != nil {
		return err
	}
	f := file{APIVersion: DumpVersion, Kind: DumpKind, Version: c.Version, Unreadable: c.Unreadable}
	if !c.TakenAt.IsZero() {
		f.TakenAt = &c.TakenAt
	}
	for _, o := range c.Objects() {
		kinds, _, err := scheme.ObjectKinds(o)
		if err != nil {
			return fmt.Errorf("writing the dump: %w", err)
		}
		o = o.DeepCopyObject().(client.Object) //nolint:forcetypeassert // the copy of a client.Object is one
		o.GetObjectKind().SetGroupVersionKind(kinds[0])
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("writing the dump: %w", err)
		}
		f.Items = append(f.Items, text)
	}
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return fmt.Errorf("writing the dump: %w", err)
	}
	return nil
}

// Load reads a cluster from a dump, or from YAML or JSON documents of objects and lists, as kubectl prints them. Either may
// be compressed with gzip. Kinds that are of no interest are passed over.
func Load(in io.Reader) (*Cluster, error) {
	buffered := bufio.NewReader(in)
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("decompressing the file: %w", err)
		}
		buffered = bufio.NewReader(unzipped)
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	decoder := serializer.NewCodecFactory(scheme).UniversalDeserializer()
	documents := utilyaml.NewYAMLReader(buffered)
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err == nil {
			document, err = yaml.YAMLToJSON(document)
		}
		if err == nil && string(document) != "null" {
			err = c.load(decoder, document)
		}
		if err != nil {
			return nil, fmt.Errorf("reading document %d: %w", n, err)
		}
	}
}

func (c *Cluster) load(decoder runtime.Decoder, document []byte) error {
	var f file
	if err := json.Unmarshal(document, &f); err != nil {
		return err
	}
	if strings.HasSuffix(f.Kind, "List") || f.Kind == DumpKind {
		if f.Kind == DumpKind && f.APIVersion != DumpVersion {
			return fmt.Errorf("the dump is of the form %s, and this kubectl-shoal reads %s: use the version that wrote it", f.APIVersion, DumpVersion)
		}
		if f.TakenAt != nil {
			c.TakenAt = *f.TakenAt
		}
		c.Version, c.Unreadable = cmp.Or(f.Version, c.Version), append(c.Unreadable, f.Unreadable...)
		for _, item := range f.Items {
			if err := c.load(decoder, item); err != nil {
				return err
			}
		}
		return nil
	}
	if f.Kind == "" {
		return errors.New("it has no kind: expected Kubernetes objects, or what `kubectl shoal dump` writes")
	}
	o, _, err := decoder.Decode(document, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a %s: %w", f.Kind, err)
	}
	if object, ok := o.(client.Object); ok {
		c.Put(object)
	}
	return nil
}
