package signer

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// How an authority is replaced:
//
//	current   |------------------------------------ signs ------------------|-- trusted --|
//	next                              |----- published, trusted: 2 days ----|------------ signs ---
//	                                  30 days before the end                              25 hours later
//
// Agents read their roots from a volume that the kubelet brings up to date within minutes. One whose kubelet was cut off from
// the API server for less than two days is not surprised by the manager's certificate either.
const (
	renewBefore = 30 * 24 * time.Hour
	settle      = 48 * time.Hour
	// leafLife is the longest life of a certificate, of agents and of the manager. A kubelet asks for the next one at half of
	// it: a manager may be away for twelve hours.
	leafLife = 24 * time.Hour
	// afterglow is for how long an authority is trusted after it has signed for the last time.
	afterglow = leafLife + time.Hour
)

// state is what the Secret holds. The zero state has no authority.
type state struct {
	current authority
	// next signs later; published is since when everybody can have it, zero if not everybody can.
	next      *authority
	published time.Time
	// previous sign no more, and have no keys any more. They are trusted until then.
	previous []*x509.Certificate
	until    time.Time
}

// roots are whom both sides trust, the one that signs first.
func (s state) roots() []*x509.Certificate {
	var all []*x509.Certificate
	if s.current.certificate != nil {
		all = append(all, s.current.certificate)
	}
	if s.next != nil {
		all = append(all, s.next.certificate)
	}
	return append(all, s.previous...)
}

// maxInherited bounds how many authorities of the bundle are trusted on: there are three at most in one that Shoal wrote.
const maxInherited = 8

// inherit is for a Secret that is gone. What it signed is still shown by agents, and the roots of that stand in the bundle, which
// nobody but the manager may write: they are trusted until the last such certificate has ended.
func (s state) inherit(published []*x509.Certificate, now time.Time) (state, []step) {
	if s.current.certificate != nil {
		return s, nil
	}
	for _, c := range published {
		if c.IsCA && now.Before(c.NotAfter) && len(s.previous) < maxInherited {
			s.previous, s.until = append(s.previous, c), now.Add(afterglow)
		}
	}
	if len(s.previous) == 0 {
		return s, nil
	}
	return s, []step{inherited}
}

// step is one change of the state.
type step string

// The steps.
const (
	began    step = "began"    // there was no authority, or none that is valid
	prepared step = "prepared" // the next one is there, to be published
	settling step = "settling" // the next one is published
	replaced step = "replaced" // the next one signs
	dropped  step = "dropped"  // the previous ones are trusted no more

	inherited step = "inherited" // the Secret is gone, and whom the bundle has is trusted on
)

// advance is the state after now, and what changed. inBundle says whether the ClusterTrustBundle has a certificate, as it was
// read; mint makes an authority. The same input gives the same steps.
func (s state) advance(now time.Time, inBundle func(*x509.Certificate) bool, mint func() (authority, error)) (state, []step, error) {
	var steps []step
	if len(s.previous) > 0 && !now.Before(s.until) {
		s.previous, s.until = nil, time.Time{}
		steps = append(steps, dropped)
	}
	// One that could not sign for a whole leafLife is as good as none: it has not been replaced in time.
	if !s.current.signs(now) {
		next := s.next
		if next == nil || !next.signs(now) {
			fresh, err := mint()
			if err != nil {
				return s, nil, err
			}
			next = &fresh
		}
		return s.replace(*next, now), append(steps, began), nil
	}
	switch {
	case s.next == nil && !now.Before(s.current.certificate.NotAfter.Add(-renewBefore)):
		fresh, err := mint()
		if err != nil {
			return s, nil, err
		}
		s.next, s.published = &fresh, time.Time{}
		steps = append(steps, prepared)
	case s.next != nil && !inBundle(s.next.certificate):
		s.published = time.Time{} // whoever has changed the bundle: not everybody can have it
	case s.next != nil && s.published.IsZero():
		s.published = now
		steps = append(steps, settling)
	case s.next != nil && !now.Before(s.published.Add(settle)):
		s = s.replace(*s.next, now)
		steps = append(steps, replaced)
	}
	return s, steps, nil
}

func (a authority) signs(now time.Time) bool {
	return a.certificate != nil && !now.Add(leafLife).After(a.certificate.NotAfter)
}

// replace has another one sign from now on. What the one before has signed is still trusted.
func (s state) replace(by authority, now time.Time) state {
	after := state{current: by, previous: s.previous, until: s.until}
	if s.current.certificate != nil && now.Before(s.current.certificate.NotAfter) {
		after.previous, after.until = append([]*x509.Certificate{s.current.certificate}, s.previous...), now.Add(afterglow)
	}
	return after
}

// Keys of the Secret.
const (
	currentCertificate, currentKey = "current.crt", "current.key"
	nextCertificate, nextKey       = "next.crt", "next.key"
	nextPublished                  = "next.published"
	previousCertificate            = "previous.crt"
	previousUntil                  = "previous.until"
)

// encode writes the state as the data of a Secret.
func (s state) encode() (map[string][]byte, error) {
	data := map[string][]byte{}
	var err error
	if data[currentCertificate], data[currentKey], err = s.current.encode(); err != nil {
		return nil, err
	}
	if s.next != nil {
		if data[nextCertificate], data[nextKey], err = s.next.encode(); err != nil {
			return nil, err
		}
		if !s.published.IsZero() {
			data[nextPublished] = []byte(s.published.UTC().Format(time.RFC3339))
		}
	}
	if len(s.previous) > 0 {
		data[previousCertificate] = []byte(bundle(s.previous))
		data[previousUntil] = []byte(s.until.UTC().Format(time.RFC3339))
	}
	return data, nil
}

// decode reads what encode wrote. What is there and cannot be read is an error, and never taken for a beginning: a new
// authority would be trusted by no agent that runs.
func decode(data map[string][]byte) (state, error) {
	var s state
	var err error
	if len(data) == 0 {
		return s, nil
	}
	if s.current, err = decodeAuthority(data[currentCertificate], data[currentKey]); err != nil {
		return state{}, fmt.Errorf("%s and %s: %w", currentCertificate, currentKey, err)
	}
	if len(data[nextCertificate])+len(data[nextKey]) > 0 {
		next, err := decodeAuthority(data[nextCertificate], data[nextKey])
		if err != nil {
			return state{}, fmt.Errorf("%s and %s: %w", nextCertificate, nextKey, err)
		}
		s.next = &next
	}
	if text := data[nextPublished]; s.next != nil && len(text) > 0 {
		if s.published, err = time.Parse(time.RFC3339, string(text)); err != nil {
			return state{}, fmt.Errorf("%s: it is no time", nextPublished)
		}
	}
	if text := data[previousCertificate]; len(text) > 0 {
		if s.previous, err = decodeCertificates(text); err != nil {
			return state{}, fmt.Errorf("%s: %w", previousCertificate, err)
		}
		if s.until, err = time.Parse(time.RFC3339, string(data[previousUntil])); err != nil {
			return state{}, fmt.Errorf("%s: it is no time", previousUntil)
		}
	}
	return s, nil
}

// bundle is the text of the ClusterTrustBundle.
func bundle(roots []*x509.Certificate) string {
	var text bytes.Buffer
	for _, c := range roots {
		text.Write(encodeCertificate(c))
	}
	return text.String()
}

// certificatesOf reads a bundle; what is no certificate is left out.
func certificatesOf(bundle string) []*x509.Certificate {
	var all []*x509.Certificate
	for rest := []byte(bundle); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
}

var errNotReady = errors.New("the authority of agents is not there yet")
