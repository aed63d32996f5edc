package playground

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/shoal-dev/shoal/playground/pki"
	"github.com/shoal-dev/shoal/playground/realnode"
)

const mastersGroup = "system:masters"

// Names of files below pki/.
const (
	authorityCert = "ca.crt"
	authorityKey  = "ca.key"
	serverCert    = "apiserver.crt"
	serverKey     = "apiserver.key"
	tokenKey      = "sa.key"
	tokenPublic   = "sa.pub"
	proxyCA       = "front-proxy-ca.crt"
	proxyCert     = "front-proxy-client.crt"
	proxyKey      = "front-proxy-client.key"
)

// writeCredentials makes all keys and certificates, and the kubeconfigs of those who authenticate by certificate.
func (c *Cluster) writeCredentials(now time.Time) error {
	l, server := c.layout, c.state.Server
	authority, err := pki.NewAuthority("shoal-playground", now)
	if err != nil {
		return err
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serviceAddress)}
	if c.options.RealNodes > 0 {
		addresses = append(addresses, realnode.Gateway().AsSlice())
	}
	serving, err := authority.Server(apiServer,
		[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		addresses, now)
	if err != nil {
		return err
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return err
	}
	front, proxy, err := frontProxy(now)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		authorityCert: authority.Cert, authorityKey: authority.Key,
		serverCert: serving.Cert, serverKey: serving.Key,
		tokenKey: private, tokenPublic: public,
		proxyCA: front.Cert, proxyCert: proxy.Cert, proxyKey: proxy.Key,
	}
	for name, content := range files {
		if err := os.WriteFile(l.pki(name), content, 0o600); err != nil {
			return fmt.Errorf("writing credentials: %w", err)
		}
	}
	// kwok speaks for every node and every kubelet: it is an administrator of its own name, for the audit log.
	users := []identity{
		{l.kubeconfig(), "playground-admin", mastersGroup},
		{l.component(simulator), "playground-" + simulator, mastersGroup},
		{l.component(controllerManager), "system:" + controllerManager, ""},
		{l.component(kubeScheduler), "system:" + kubeScheduler, ""},
	}
	if err := writeUsers(authority, server, users, now); err != nil {
		return err
	}
	return c.writeRealNodeCredentials(authority, now)
}

// identity is somebody who authenticates by certificate, and the path of the kubeconfig.
type identity struct{ path, user, group string }

func writeUsers(authority *pki.Authority, server string, users []identity, now time.Time) error {
	for _, u := range users {
		pair, err := authority.Client(u.user, groups(u.group), now)
		if err != nil {
			return err
		}
		info := &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
		if err := writeKubeconfig(u.path, server, authority.Cert, u.user, info); err != nil {
			return err
		}
	}
	return nil
}

// frontProxyUser is who the API server is towards API servers behind it.
const frontProxyUser = "front-proxy-client"

// frontProxy has an authority of its own: whoever it vouches for may speak for any user. Nothing is aggregated here, but
// without it every component complains once a minute.
func frontProxy(now time.Time) (*pki.Authority, pki.Pair, error) {
	authority, err := pki.NewAuthority("shoal-playground-front-proxy", now)
	if err != nil {
		return nil, pki.Pair{}, err
	}
	pair, err := authority.Client(frontProxyUser, nil, now)
	return authority, pair, err
}

func groups(group string) []string {
	if group == "" {
		return nil
	}
	return []string{group}
}

func writeKubeconfig(path, server string, authority []byte, user string, info *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["playground"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: authority}
	config.AuthInfos[user] = info
	config.Contexts["playground"] = &clientcmdapi.Context{Cluster: "playground", AuthInfo: user}
	config.CurrentContext = "playground"
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig of %s: %w", user, err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	return nil
}

// writeAccountKubeconfig asks for a token of the ServiceAccount, as a pod of it would get one, and writes a kubeconfig
// with it for the component.
func (c *Cluster) writeAccountKubeconfig(ctx context.Context, namespace, account, component string) error {
	seconds := int64(pki.Validity / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("requesting a token of the ServiceAccount %s/%s: %w", namespace, account, err)
	}
	authority, err := os.ReadFile(c.layout.pki(authorityCert))
	if err != nil {
		return fmt.Errorf("reading the authority: %w", err)
	}
	info := &clientcmdapi.AuthInfo{Token: token.Status.Token}
	return writeKubeconfig(c.layout.component(component), c.config.Host, authority, account, info)
}
