package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Secret is a password. However it is printed or encoded, it is three stars; one that is empty is nothing, so that whoever
// reads it back does not authenticate where nobody asks for it.
type Secret string

const stars = "***"

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return stars
}

func (s Secret) GoString() string             { return s.String() }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Format keeps every verb of fmt from reading the string below it.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// Access says how to reach a process and as whom.
type Access struct {
	// Name is the name that the connection gives itself (CLIENT SETNAME), before its Generation; "" gives none. It has no blanks.
	Name string
	// Generation is how many times the lock had changed hands when the caller got it. Of two of one name, the later one is right.
	Generation uint64
	// Username is of an ACL; "" is the default user. Without a password nothing is authenticated.
	Username string
	Password Secret
	// TLS is nil for plain TCP. Without a ServerName the host of the address must be in the certificate.
	TLS *tls.Config `json:"-"`
	// Dial and IO bound the connecting with TLS, and each command. 0 means 500 ms.
	Dial, IO time.Duration
}

// clientName is Name@Generation.
func (a Access) clientName() string {
	if a.Name == "" {
		return ""
	}
	return a.Name + "@" + strconv.FormatUint(a.Generation, 10)
}

func (a Access) dialTimeout() time.Duration { return or(a.Dial, dialTimeout) }
func (a Access) ioTimeout() time.Duration   { return or(a.IO, ioTimeout) }

func or(given, otherwise time.Duration) time.Duration {
	if given > 0 {
		return given
	}
	return otherwise
}

// options are those of a client that dials once: what was said on a connection that broke is never said again on another
// one, because nobody would know whether it was heard twice.
func (a Access) options(addr string) *goredis.Options {
	o := &goredis.Options{
		Addr:                     addr,
		Protocol:                 2,
		ClientName:               a.clientName(),
		DialTimeout:              a.dialTimeout(),
		ReadTimeout:              a.ioTimeout(),
		WriteTimeout:             a.ioTimeout(),
		ContextTimeoutEnabled:    true,
		DialerRetries:            1,
		MaxRetries:               -1,
		PoolSize:                 1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if a.Password != "" {
		o.Username, o.Password = a.Username, string(a.Password)
	}
	var dialled atomic.Bool
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialled.Swap(true) {
			return nil, errors.New("the connection is lost")
		}
		return a.dial(ctx, network, addr)
	}
	return o
}

// dial waits for the handshake of TLS too, and for no longer than ctx: go-redis' own dialer forgets ctx with TLS.
func (a Access) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, a.dialTimeout())
	defer cancel()
	plain := &net.Dialer{}
	if a.TLS == nil {
		return plain.DialContext(ctx, network, addr)
	}
	return (&tls.Dialer{NetDialer: plain, Config: a.TLS}).DialContext(ctx, network, addr)
}

// arguments is what Redis writes before the arguments of a command that it does not know, as far as they fit.
const arguments = "with args beginning with:"

// part is how many bytes of a password at its beginning give it away.
const part = 4

// scrub takes the password out of an error. A server that does not know a command repeats its arguments, AUTH's too, and
// cuts them after some length: so they are all left out, and what may be the beginning of a password too.
func (a Access) scrub(err error) error {
	if err == nil || a.Password == "" {
		return err
	}
	text, _, cut := strings.Cut(err.Error(), arguments)
	if cut {
		text += arguments + " " + stars
	}
	for n := len(a.Password); n >= min(part, len(a.Password)); n-- {
		text = strings.ReplaceAll(text, string(a.Password[:n]), stars)
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
