package answer

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed fleet.html.tmpl
var fleetPage string

// The pictures: cells in rows of perRow, in pixels. 16 fill the width of a sheet of A4, and rowsPerPicture less than its
// height, so that a printer can keep a picture whole.
const (
	perRow         = 16
	rowsPerPicture = 12
	cell           = 40
	gap            = 4
)

// tile is one node in a picture.
type tile struct {
	NodeHeat
	X, Y  int
	Color template.CSS
	Tip   string
}

// picture is some nodes of a group, as one SVG.
type picture struct {
	Says  string
	Tiles []tile
}

// Width in pixels.
func (p picture) Width() int { return gap + min(len(p.Tiles), perRow)*(cell+gap) }

// Height in pixels.
func (p picture) Height() int { return gap + (len(p.Tiles)+perRow-1)/perRow*(cell+gap) }

// band is the nodes of one group on the page.
type band struct {
	Title    string
	Pictures []picture
}

// HTML writes the heat map as a page that needs nothing but itself: no scripts, no fonts, no network. The picture is SVG, and
// a table below it says the same to those who cannot see colours.
func (f *Fleet) HTML(out io.Writer, title string) error {
	page, err := template.New("page").Parse(fleetPage)
	if err != nil {
		return fmt.Errorf("reading the template of the page: %w", err)
	}
	err = page.Execute(out, map[string]any{
		"Title": title, "Fleet": f, "Bands": f.bands(), "Cell": cell,
		"Counts": fmt.Sprintf("%s, %s of %s", count(len(f.Nodes), "node"), count(f.Instances, "instance"), count(f.Groups, "group")),
		"Legend": []template.CSS{color(0), color(25), color(50), color(75), color(100)},
	})
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// bands are the groups of nodes, which stand in their order already.
func (f *Fleet) bands() []band {
	var bands []band
	for _, nodes := range byGroup(f.Nodes) {
		b := band{Title: cmp.Or(nodes[0].Group, "no "+f.GroupedBy)}
		for some := range slices.Chunk(nodes, perRow*rowsPerPicture) {
			b.Pictures = append(b.Pictures, pictureOf(some, b.Title))
		}
		bands = append(bands, b)
	}
	return bands
}

// byGroup cuts nodes where the group changes.
func byGroup(nodes []NodeHeat) [][]NodeHeat {
	var groups [][]NodeHeat
	for i, n := range nodes {
		if i == 0 || n.Group != nodes[i-1].Group {
			groups = append(groups, nil)
		}
		last := &groups[len(groups)-1]
		*last = append(*last, n)
	}
	return groups
}

func pictureOf(nodes []NodeHeat, group string) picture {
	p := picture{Says: fmt.Sprintf("Heat map of %s: %s to %s", group, nodes[0].Node, nodes[len(nodes)-1].Node)}
	for i, n := range nodes {
		p.Tiles = append(p.Tiles, tile{n, gap + i%perRow*(cell+gap), gap + i/perRow*(cell+gap), color(n.Shown().fullest()), n.tip()})
	}
	return p
}

// tip is what the pointer shows on a tile.
func (n NodeHeat) tip() string {
	s := n.Shown()
	text := fmt.Sprintf("%s: %s, cpu %d %%, memory %d %%, pods %d %% (%s)", n.Node, count(n.Instances, "instance"), s.CPU, s.Memory, s.Pods, n.From())
	if n.State != "" {
		text += ", " + n.State
	}
	return text
}

// color goes from white over yellow to red as a node fills. It is also told apart in grey: darker is fuller. It is never so
// dark that a black number could not be read on it.
func color(percent int) template.CSS {
	percent = min(100, max(0, percent))
	return template.CSS(fmt.Sprintf("hsl(%d,75%%,%d%%)", 60-percent*60/100, 95-percent*37/100)) //nolint:gosec // numbers only
}
