// Package manifests checks what a user would install, as kustomize builds it.
package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// objects are the manifests, decoded without a field that their kinds do not have.
type objects []client.Object

// build does what kubectl apply -k does before it sends anything.
func build(t *testing.T, part string) objects {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("..", "..", "manifests", part))
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

func decode(t *testing.T, text []byte) objects {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensions.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var all objects
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		o, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v:\n%s", err, document)
		}
		all = append(all, o.(client.Object))
	}
}

// of are the objects of one kind.
func of[T client.Object](all objects) []T {
	var list []T
	for _, o := range all {
		if typed, ok := o.(T); ok {
			list = append(list, typed)
		}
	}
	return list
}

// has reports whether an object of a kind is there.
func has[T client.Object](all objects, namespace, name string) bool {
	for _, o := range of[T](all) {
		if o.GetNamespace() == namespace && o.GetName() == name {
			return true
		}
	}
	return false
}

// containers visits the containers of all Deployments.
func containers(all objects, visit func(where string, d *appsv1.Deployment, c *corev1.Container)) {
	for _, d := range of[*appsv1.Deployment](all) {
		for i := range d.Spec.Template.Spec.Containers {
			c := &d.Spec.Template.Spec.Containers[i]
			visit(fmt.Sprintf("container %s of Deployment %s", c.Name, d.Name), d, c)
		}
	}
}
