//go:build browser

package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dots is the resolution in which sheets are looked at, per inch, and margin that of the page: 12 mm.
const (
	dots   = 72
	margin = 12 * dots * 10 / 254
)

// On paper: every node has its row on one sheet, under the heads of the columns, and no tile is cut in two.
func TestPageOnPaper(t *testing.T) {
	text, pictures := program(t, "pdftotext"), program(t, "pdftoppm")
	b, file := open(t), page(t)
	for name, paper := range map[string][2]float64{"A4": {8.27, 11.69}, "A4 landscape": {11.69, 8.27}, "Letter": {8.5, 11}} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.show(file, "dark", 1200, 900) // paper is white in the dark too
			pdf := filepath.Join(t.TempDir(), "nodes.pdf")
			content := b.printed(paper[0], paper[1])
			b.kept(strings.ReplaceAll(name, " ", "-")+".pdf", content)
			if err := os.WriteFile(pdf, content, 0o600); err != nil {
				t.Fatal(err)
			}
			sheets := strings.Split(strings.TrimSuffix(output(t, text, "-layout", pdf, "-"), "\f"), "\f")
			if len(sheets) < 5 || len(sheets) > 25 {
				t.Errorf("%d sheets, want 5 to 25", len(sheets))
			}
			readable(t, sheets)
			whole(t, pictures, pdf, len(sheets))
		})
	}
}

func output(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, arguments...).Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return string(out)
}

// readable finds every node once, with all its columns in one line, and the heads of the columns on each of those sheets.
func readable(t *testing.T, sheets []string) {
	t.Helper()
	rows, cut := map[string]int{}, ""
	for n, sheet := range sheets {
		before := len(rows)
		for line := range strings.Lines(sheet) {
			words := strings.Fields(line)
			if len(words) > 0 && (strings.HasPrefix(words[0], "node-") || words[0] == nameOf(0)) {
				rows[words[0]]++
				if last := words[len(words)-1]; strings.Count(line, "%") != 3 || last != "ok" && last != "cordoned" {
					cut = fmt.Sprintf("sheet %d: %s", n+1, line)
				}
			}
		}
		if len(rows) > before && !strings.Contains(sheet, "Instances") {
			t.Errorf("sheet %d has rows without the heads of their columns", n+1)
		}
	}
	if cut != "" {
		t.Errorf("a row is cut, on %s", cut)
	}
	var missing []string
	for i := range nodes {
		if rows[nameOf(i)] != 1 {
			missing = append(missing, nameOf(i))
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d nodes do not stand in one row, such as %s", len(missing), missing[0])
	}
}

// whole looks at the sheets: white, with all the tiles on some of them, of which none is cut.
func whole(t *testing.T, program, pdf string, sheets int) {
	t.Helper()
	base := filepath.Join(t.TempDir(), "sheet")
	output(t, program, "-png", "-r", fmt.Sprint(dots), pdf, base)
	files, err := filepath.Glob(base + "*.png")
	if err != nil || len(files) != sheets {
		t.Fatalf("%d pictures of %d sheets: %v", len(files), sheets, err)
	}
	slices.Sort(files)
	painted := 0
	for n, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		picture := decoded(t, content)
		if corner := picture.At(1, 1); brightness(corner) < 0.99 {
			t.Errorf("sheet %d is not white: %v", n+1, corner)
		}
		if cutOff(picture, margin) {
			t.Errorf("sheet %d cuts a tile", n+1)
		}
		painted += tilesOf(picture)
	}
	if least := nodes * 40 * 40 * dots * dots / 96 / 96 * 8 / 10; painted < least {
		t.Errorf("%d dots are those of tiles, want at least %d", painted, least)
	}
}
