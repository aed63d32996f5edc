package agent

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// ManagerURI is the identity of the manager, as the only URI among the subject's names in its certificate.
const ManagerURI = "shoal://manager"

// Identity is a pod: the URI shoal://<namespace>/pod/<name>/<uid> in its certificate, and no other URI.
type Identity struct{ Namespace, Pod, UID string }

// identity accepts what Kubernetes accepts as names of namespaces (RFC 1123 label) and pods (RFC 1123 subdomain), and UUIDs.
var identity = regexp.MustCompile(`^shoal://([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/pod/` +
	`([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// maxPodName is what a name of a pod may have, in bytes.
const maxPodName = 253

// String is the URI. Of what is no pod, it is one that ParseIdentity refuses.
func (i Identity) String() string {
	return "shoal://" + i.Namespace + "/pod/" + i.Pod + "/" + i.UID
}

// URI is String for a certificate, or an error if it is not the identity of a pod.
func (i Identity) URI() (*url.URL, error) {
	if _, err := ParseIdentity(i.String()); err != nil {
		return nil, err
	}
	return url.Parse(i.String())
}

// ParseIdentity reads what String wrote, and refuses everything else.
func ParseIdentity(uri string) (Identity, error) {
	parts := identity.FindStringSubmatch(uri)
	if parts == nil || len(parts[2]) > maxPodName || strings.Contains(parts[2], "..") {
		return Identity{}, fmt.Errorf("%.64q is not the identity of a pod: want shoal://<namespace>/pod/<name>/<uid>", uri)
	}
	return Identity{Namespace: parts[1], Pod: parts[2], UID: parts[3]}, nil
}

// IdentityOf is the pod of a certificate, whose signature and time somebody else has verified.
func IdentityOf(c *x509.Certificate) (Identity, error) {
	uri, err := onlyURI(c)
	if err != nil {
		return Identity{}, err
	}
	return ParseIdentity(uri)
}

// IsManager reports whether a certificate is the manager's. Somebody else has verified its signature and time.
func IsManager(c *x509.Certificate) bool {
	uri, err := onlyURI(c)
	return err == nil && uri == ManagerURI
}

func onlyURI(c *x509.Certificate) (string, error) {
	if len(c.URIs) != 1 {
		return "", fmt.Errorf("the certificate names %d URIs, want one", len(c.URIs))
	}
	return c.URIs[0].String(), nil
}
