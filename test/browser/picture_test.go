//go:build browser

package browser

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

func decoded(t *testing.T, content []byte) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// vivid is true for the colours of tiles: ink, paper and lines are grey.
func vivid(c color.Color) bool {
	r, g, b, _ := c.RGBA()
	return max(r, g, b)-min(r, g, b) > 0x1000
}

func brightness(c color.Color) float64 {
	gray, _ := color.GrayModel.Convert(c).(color.Gray)
	return float64(gray.Y) / 255
}

// visible looks at a screenshot: the paper is dark or light, as was asked for, and there are tiles of many colours and ink.
func visible(t *testing.T, content []byte, dark bool) {
	t.Helper()
	picture := decoded(t, content)
	bounds := picture.Bounds()
	colors, tiles, ink, all := map[color.Color]bool{}, 0, 0, bounds.Dx()*bounds.Dy()
	paper := brightness(picture.At(bounds.Min.X, bounds.Min.Y))
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := picture.At(x, y)
			switch away := brightness(c) - paper; {
			case vivid(c):
				tiles++
				colors[c] = true
			case away > 0.5 || away < -0.5:
				ink++
			}
		}
	}
	if dark != (paper < 0.2) || !dark && paper < 0.9 {
		t.Errorf("the paper has a brightness of %.2f", paper)
	}
	if tiles < all/50 || ink < all/500 || len(colors) < 50 {
		t.Errorf("of %d pixels, %d are tiles in %d colours, and %d are ink", all, tiles, len(colors), ink)
	}
}

// cutOff is true if a tile touches the edge of what is printed, at the foot of a sheet or at its head: its other half is on
// another sheet. A whole tile stands four pixels away from the edge of its picture.
func cutOff(picture image.Image, margin int) bool {
	bounds := picture.Bounds()
	for _, y := range []int{bounds.Min.Y + margin, bounds.Min.Y + margin + 1, bounds.Max.Y - margin - 2, bounds.Max.Y - margin - 1} {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if vivid(picture.At(x, y)) {
				return true
			}
		}
	}
	return false
}

// tilesOf counts the dots of tiles.
func tilesOf(picture image.Image) int {
	n, bounds := 0, picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if vivid(picture.At(x, y)) {
				n++
			}
		}
	}
	return n
}
