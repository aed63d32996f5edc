package answer

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

func many(n int) *Fleet {
	f := &Fleet{GroupedBy: "zone", Groups: 1}
	for i := range n {
		f.Nodes = append(f.Nodes, NodeHeat{Node: fmt.Sprintf("<n>&%03d", i), Group: fmt.Sprint("zone-", i/50), Instances: i % 7, Fill: Fill{CPU: 100 * (i + 1) / n, Memory: i % 50}})
	}
	return f
}

// The page needs nothing but itself, and its picture is well-formed whatever nodes are called; no tile covers another one.
func TestPageStandsAlone(t *testing.T) {
	var b strings.Builder
	if err := many(130).HTML(&b, "<script>"); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, outside := range []string{"<script", "<link", "<img", "@import", "url(", "src=", "href="} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %q", outside)
		}
	}
	start, end := strings.Index(page, "<svg"), strings.Index(page, "</svg>")
	places := map[string]bool{}
	decoder := xml.NewDecoder(strings.NewReader(page[start : end+len("</svg>")]))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is not well-formed: %v", err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			at := ""
			for _, a := range element.Attr {
				if a.Name.Local == "x" || a.Name.Local == "y" {
					at += " " + a.Value
				}
			}
			if places[at] {
				t.Errorf("two tiles are at%s", at)
			}
			places[at] = true
		}
	}
	if len(places) != 130 {
		t.Errorf("%d tiles, want 130", len(places))
	}
}

// Colours change nothing but colours, and there are none where they are not wanted.
func TestColoursLeaveTheTextAlone(t *testing.T) {
	var plain, colored strings.Builder
	many(60).Print(&plain, false, false)
	many(60).Print(&colored, true, false)
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("colours that nobody asked for")
	}
	if !strings.Contains(colored.String(), "\x1b[31m") {
		t.Error("a full node is not red")
	}
	if without := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(colored.String(), ""); without != plain.String() {
		t.Errorf("with colours the text is\n%s\nwithout\n%s", without, plain.String())
	}
	if !strings.Contains(plain.String(), "and 20 more") {
		t.Errorf("the rest is not counted:\n%s", plain.String())
	}
}
