package roles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
)

const (
	// loginFresh is for how long what was read of Secrets counts: connections are kept, and one that cannot be made is tried every two
	// seconds, to each Sentinel.
	loginFresh = 10 * time.Second
	// loginWithin is for how long the API server may take to show a Secret.
	loginWithin = 2 * time.Second
)

// login is how the manager logs in to the Sentinels of one set. It reads the Secrets that the set names, one by one, straight from
// the API server: no cache holds them, and no right to other Secrets is needed. The rights are given by whoever has the Secrets.
type login struct {
	live      client.Reader
	namespace string
	access    *v1alpha1.RedisAccess
	now       func() time.Time
	tell      func(trouble string) // is called when the trouble is another one than before

	mu   sync.Mutex // is held while Secrets are read
	at   time.Time
	last redis.Access
	err  error

	saying sync.Mutex // of notice, for which nobody waits until something was read
	notice string
}

// connectionName is how the manager's connections to Sentinels call themselves.
const connectionName = "shoal-roles"

// get is what to log in with. Its error says what a person has to do, and is the same as long as that is.
func (l *login) get(ctx context.Context) (redis.Access, error) {
	if l == nil || l.access == nil {
		return redis.Access{Name: connectionName}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.at.IsZero() || now.Sub(l.at) >= loginFresh {
		ctx, stop := context.WithTimeout(ctx, loginWithin)
		defer stop()
		l.last, l.err = l.read(ctx)
		l.at = now
		notice := ""
		if l.err != nil {
			notice = l.err.Error()
		}
		if l.notes(notice) {
			l.tell(notice)
		}
	}
	return l.last, l.err
}

// SentinelAccess is how to log in to the Sentinels of a set, as the manager itself does, for whoever connects to them for another
// purpose and names his connections. The Secrets are read from live, straight from the API server, within two seconds. The error
// says what a person has to do, and holds nothing of a Secret.
func SentinelAccess(ctx context.Context, live client.Reader, set *v1alpha1.InstanceSet) (redis.Access, error) {
	p := set.Spec.RoleProvider
	if p == nil || p.Sentinel == nil || p.Sentinel.Access == nil {
		return redis.Access{}, nil
	}
	ctx, stop := context.WithTimeout(ctx, loginWithin)
	defer stop()
	a, err := (&login{live: live, namespace: set.Namespace, access: p.Sentinel.Access}).read(ctx)
	a.Name = ""
	return a, err
}

// trouble is why Sentinels cannot be asked, "" if that is not the reason.
func (l *login) trouble() string {
	if l == nil || l.access == nil {
		return ""
	}
	l.saying.Lock()
	defer l.saying.Unlock()
	return l.notice
}

// notes remembers what is the matter, and says whether it is something, and something else than before.
func (l *login) notes(notice string) (news bool) {
	l.saying.Lock()
	defer l.saying.Unlock()
	news = notice != "" && notice != l.notice
	l.notice = notice
	return news
}

func (l *login) read(ctx context.Context) (redis.Access, error) {
	a := redis.Access{Name: connectionName, Username: l.access.Username}
	if p := l.access.Password; p != nil {
		values, err := l.secret(ctx, p.Name, podspec.PasswordKey(p))
		if err != nil {
			return redis.Access{}, err
		}
		a.Password = redis.Secret(strings.TrimRight(string(values[0]), "\r\n"))
		if a.Password == "" {
			return redis.Access{}, fmt.Errorf("the Secret %s/%s has an empty password", l.namespace, p.Name)
		}
	}
	if l.access.TLS == nil {
		return a, nil
	}
	var err error
	if a.TLS, err = l.readTLS(ctx, l.access.TLS); err != nil {
		return redis.Access{}, err
	}
	return a, nil
}

func (l *login) readTLS(ctx context.Context, t *v1alpha1.RedisTLS) (*tls.Config, error) {
	keys := []string{podspec.RootsKey}
	if t.ClientCertificate {
		keys = append(keys, podspec.CertificateKey, podspec.PrivateKey)
	}
	values, err := l.secret(ctx, t.SecretName, keys...)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(values[0]) {
		return nil, fmt.Errorf("there is no certificate in %s of the Secret %s/%s", podspec.RootsKey, l.namespace, t.SecretName)
	}
	if t.ClientCertificate {
		own, err := tls.X509KeyPair(values[1], values[2])
		if err != nil { // which may repeat what it has read
			return nil, fmt.Errorf("%s and %s of the Secret %s/%s are no certificate with its key", podspec.CertificateKey, podspec.PrivateKey, l.namespace, t.SecretName)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// secret reads values of a Secret.
func (l *login) secret(ctx context.Context, name string, keys ...string) ([][]byte, error) {
	var s corev1.Secret
	err := l.live.Get(ctx, types.NamespacedName{Namespace: l.namespace, Name: name}, &s)
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("the manager may not read the Secret %s/%s: bind its ServiceAccount to a Role with get on that Secret", l.namespace, name)
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no Secret %s/%s", l.namespace, name)
	case err != nil:
		log.FromContext(ctx).V(2).Info("could not read a Secret", "namespace", l.namespace, "name", name, "reason", string(apierrors.ReasonForError(err)))
		return nil, fmt.Errorf("the Secret %s/%s cannot be read now", l.namespace, name)
	}
	var values [][]byte
	for _, key := range keys {
		value, has := s.Data[key]
		if !has {
			return nil, fmt.Errorf("the Secret %s/%s has no key %s", l.namespace, name, key)
		}
		values = append(values, value)
	}
	return values, nil
}

// errLogin is the error of a connection that was not tried: login has the reason.
var errLogin = errors.New("the Secrets with which to log in cannot be read")
