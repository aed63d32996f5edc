//go:build browser

package browser

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/shoal-dev/shoal/kubectlshoal"
)

// keep is a folder for what the browser made of the page, for a person to look at.
var keep = flag.String("keep", "", "write screenshots and the PDF to this folder")

const nodes = 500

// zones of the fleet. The second has more nodes than one picture, or a sheet that lies across, holds; the third has a long name.
var zones = []struct {
	name  string
	nodes int
}{{"c", 150}, {"europe-west1-b", 330}, {"zone-with-a-name-that-somebody-thought-about-for-long", 20}}

// fleet is a cluster of 500 nodes: some empty, some full, some closed, one called as if it were HTML.
func fleet() string {
	var b strings.Builder
	i := 0
	for _, zone := range zones {
		for range zone.nodes {
			name, cordoned := nameOf(i), i%23 == 5
			fmt.Fprintf(&b, "apiVersion: v1\nkind: Node\nmetadata: {name: %q, labels: {topology.kubernetes.io/zone: %s}}\n", name, zone.name)
			fmt.Fprintf(&b, "spec: {unschedulable: %v}\nstatus: {allocatable: {cpu: \"100\", memory: 100Gi, pods: \"110\"}}\n---\n", cordoned)
			fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata: {name: cache-%d, namespace: default, labels: {shoal.dev/placement-policy: cache}}\n", i)
			fmt.Fprintf(&b, "spec: {nodeName: %q, containers: [{name: redis, resources: {requests: {cpu: %q, memory: 10Gi}}}]}\n---\n", name, fmt.Sprint(i%101))
			i++
		}
	}
	return b.String()
}

func nameOf(i int) string {
	if i == 0 {
		return "n<b>0"
	}
	return fmt.Sprintf("node-%03d", i)
}

// page has kubectl-shoal write its page about the fleet.
func page(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cluster, file := filepath.Join(dir, "cluster.yaml"), filepath.Join(dir, "nodes.html")
	if err := os.WriteFile(cluster, []byte(fleet()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := kubectlshoal.New(kubectlshoal.Environment{Streams: genericiooptions.IOStreams{In: &out, Out: &out, ErrOut: &out}, Now: time.Now})
	cmd.SetArgs([]string{"nodes", "--cluster-dump", cluster, "--html", file})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return file
}

func (b *tab) kept(name string, content []byte) {
	b.t.Helper()
	if *keep == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*keep, name), content, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// sight is what the browser made of the page.
type sight struct {
	Tiles, Rows, Closed int
	// Painted tiles have a size and a colour.
	Painted int
	// Spilled are numbers that do not fit into their tiles, and Outside tiles that their picture cuts off.
	Spilled, Outside []string
	// Faint are the least contrasts between text and what is behind it, below 4.5 to 1 (WCAG 2.2, 1.4.3).
	Faint []string
	// Overflow is how much the page is wider than the window, in pixels.
	Overflow float64
	Headings []string
	Names    []string
}

// look collects a sight in the browser.
const look = `(() => {
  const all = s => [...document.querySelectorAll(s)];
  const numbers = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = numbers(c).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const paper = getComputedStyle(document.body).backgroundColor;
  const tiles = all("svg g").map(g => ({rect: g.querySelector("rect"), text: g.querySelector("text"), svg: g.closest("svg")}));
  const faint = tiles.map(t => [t.text.textContent, contrast(getComputedStyle(t.text).fill, getComputedStyle(t.rect).fill)])
    .concat(all("h1, h2, p, th, td").map(e => [e.textContent, contrast(getComputedStyle(e).color, paper)]))
    .filter(([, c]) => !(c >= 4.5)).map(([text, c]) => text + " " + c.toFixed(1));
  return {
    Tiles: tiles.length, Rows: all("tbody tr").length, Closed: tiles.filter(t => getComputedStyle(t.rect).strokeDasharray != "none").length,
    Painted: tiles.filter(t => { const r = t.rect.getBoundingClientRect();
      return r.width >= 30 && r.height >= 30 && getComputedStyle(t.rect).fill.startsWith("rgb"); }).length,
    Spilled: tiles.filter(t => !inside(t.text.getBoundingClientRect(), t.rect.getBoundingClientRect())).map(t => t.text.textContent),
    Outside: tiles.filter(t => !inside(t.rect.getBoundingClientRect(), t.svg.getBoundingClientRect())).map(t => t.text.textContent),
    Faint: faint, Overflow: document.documentElement.scrollWidth - window.innerWidth,
    Headings: all("h2").map(e => e.innerText), Names: all("tbody tr td:first-child").map(e => e.innerText),
  };
})()`

// On a screen, in the light and in the dark, and on a phone: every node is a tile and a row, every number can be read, and
// the page asks nobody for anything.
func TestPageOnAScreen(t *testing.T) {
	b, file := open(t), page(t)
	for _, window := range []struct {
		name, scheme  string
		width, height int
	}{
		{"light", "light", 1200, 900},
		{"dark", "dark", 1200, 900},
		{"phone", "dark", 390, 844},
	} {
		t.Run(window.name, func(t *testing.T) {
			b.t = t
			b.show(file, window.scheme, window.width, window.height)
			var s sight
			b.ask(look, &s)
			s.check(t)
			png := b.screenshot()
			b.kept(window.name+".png", png)
			visible(t, png, window.scheme == "dark")
			if len(b.complaints) > 0 {
				t.Errorf("the console says: %s", b.complaints)
			}
			if want := []string{"file://" + file}; !slices.Equal(b.requests, want) {
				t.Errorf("the page asks for %v, want %v", b.requests, want)
			}
		})
	}
}

func (s sight) check(t *testing.T) {
	t.Helper()
	if s.Tiles != nodes || s.Painted != nodes || s.Rows != nodes {
		t.Errorf("%d tiles, of which %d can be seen, and %d rows: want %d", s.Tiles, s.Painted, s.Rows, nodes)
	}
	if want := (nodes - 5 + 22) / 23; s.Closed != want {
		t.Errorf("%d tiles have a dashed frame, want %d", s.Closed, want)
	}
	if len(s.Spilled)+len(s.Outside)+len(s.Faint) > 0 {
		t.Errorf("numbers outside of their tiles: %v; tiles outside of their pictures: %v; hard to read: %v", s.Spilled, s.Outside, s.Faint)
	}
	if s.Overflow > 0 {
		t.Errorf("the page is %.0f pixels wider than the window", s.Overflow)
	}
	if len(s.Headings) != len(zones) || !slices.Contains(s.Names, nameOf(0)) {
		t.Errorf("headings %v; the names of nodes begin with %.5v", s.Headings, s.Names)
	}
}
