package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A cluster of 20,000 nodes needs about 4 MiB and 20,000 elements per answer. What is far beyond is a mistake in a
// query, and is not read to its end. Of an answer one element is in memory at a time, so that the four that a measurement reads
// at once need some hundred KiB together, however large they are.
const (
	maxAnswerBytes  = 16 << 20
	maxElementBytes = 64 << 10 // also of what stands before the list
	maxElements     = 50000
	maxErrorBytes   = 512
)

var (
	errTooLarge     = fmt.Errorf("the answer is larger than %d MiB", maxAnswerBytes>>20)
	errGiantElement = fmt.Errorf("an element of the answer is larger than %d KiB", maxElementBytes>>10)
)

// elements asks for url and hands every element of the array at path in the JSON answer to each, one at a time, so that
// the answer is never in memory as a whole. An error of each ends it.
func elements(ctx context.Context, client *http.Client, url string, path []string, each func(json.RawMessage) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err // it names the method and the URL
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it was wanted
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBytes)) // the status says enough without it
		return fmt.Errorf("%s: %s", response.Status, strings.Join(strings.Fields(string(text)), " "))
	}
	body := &bounded{from: response.Body}
	decoder := json.NewDecoder(body)
	body.used = decoder.InputOffset
	if err := array(decoder, path); err != nil {
		return fmt.Errorf("reading %s: %w", response.Header.Get("Content-Type"), err)
	}
	for n := 0; decoder.More(); n++ {
		if n == maxElements {
			return fmt.Errorf("the answer has more than %d elements", maxElements)
		}
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			return fmt.Errorf("reading element %d: %w", n, err)
		}
		if err := each(element); err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("reading the end of the list: %w", err) // cut off: what came is not all
	}
	return nil
}

// array moves the decoder behind the bracket of the array at path.
func array(decoder *json.Decoder, path []string) error {
	if len(path) == 0 {
		return expect(decoder, '[')
	}
	if err := expect(decoder, '{'); err != nil {
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		if key == path[0] {
			return array(decoder, path[1:])
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return err
		}
	}
	return fmt.Errorf("there is no %q", path[0])
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("want %s, got %.40v", want, token)
	}
	return nil
}

// bounded reads at most so many bytes, and no more than one element ahead of what was used: a decoder keeps what it has read
// until it has the whole element. More are an error, not an end: a list that is cut off would look complete to a reader of
// other formats.
type bounded struct {
	from io.Reader
	read int64
	used func() int64
}

func (b *bounded) Read(p []byte) (int, error) {
	all, one := maxAnswerBytes-b.read, b.used()+maxElementBytes-b.read
	switch {
	case all <= 0:
		return 0, errTooLarge
	case one <= 0:
		return 0, errGiantElement
	}
	n, err := b.from.Read(p[:min(int64(len(p)), all, one)])
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading the answer: %w", err)
	}
	return n, err
}

// direct is client without redirects: credentials are for the address that was configured, and no other.
func direct(client *http.Client) *http.Client {
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}
