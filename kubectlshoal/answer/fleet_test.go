package answer

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func many(n int) *Fleet {
	f := &Fleet{GroupedBy: "zone", Groups: 1}
	for i := range n {
		f.Nodes = append(f.Nodes, NodeHeat{Node: fmt.Sprintf("<n>&%03d", i), Group: fmt.Sprint("zone-", i/250), Instances: i % 7, Fill: Fill{CPU: 100 * (i + 1) / n, Memory: i % 50}})
	}
	return f
}

// The page needs nothing but itself, and its picture is well-formed whatever nodes are called; no tile covers another one.
func TestPageStandsAlone(t *testing.T) {
	var b strings.Builder
	if err := many(530).HTML(&b, "<script>"); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, outside := range []string{"<script", "<link", "<img", "@import", "url(", "src=", "href="} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %q", outside)
		}
	}
	tiles := 0
	for _, part := range strings.Split(page, "<svg")[1:] {
		svg, _, _ := strings.Cut(part, "</svg>")
		tiles += tilesIn(t, "<svg"+svg+"</svg>")
	}
	if tiles != 530 {
		t.Errorf("%d tiles, want 530", tiles)
	}
}

// tilesIn counts the tiles of a picture, no two of which are at one place, or outside.
func tilesIn(t *testing.T, svg string) int {
	t.Helper()
	places, width, height := map[[2]int]bool{}, 0, 0
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return len(places)
		}
		if err != nil {
			t.Fatalf("the picture is not well-formed: %v", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		has := map[string]int{}
		for _, a := range element.Attr {
			has[a.Name.Local], _ = strconv.Atoi(a.Value)
		}
		switch element.Name.Local {
		case "svg":
			width, height = has["width"], has["height"]
		case "rect":
			at := [2]int{has["x"], has["y"]}
			if places[at] || at[0]+has["width"] > width || at[1]+has["height"] > height {
				t.Errorf("a tile at %v is on another one, or outside of %d x %d", at, width, height)
			}
			places[at] = true
		}
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
