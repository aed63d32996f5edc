package process

import (
	"io"
	"os"
	"strings"
)

const (
	tailBytes = 16 << 10
	tailLines = 12
	tailWidth = 400 // a structured log line can be longer than a screen: its beginning tells enough
)

// Tail is the end of a log file: at most a dozen lines, without blank ones. It is empty if the file cannot be read.
func Tail(path string) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := file.Seek(-tailBytes, io.SeekEnd); err != nil {
			return nil
		}
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" {
			continue
		}
		if len(line) > tailWidth {
			line = line[:tailWidth] + "..."
		}
		lines = append(lines, line)
	}
	return lines[max(0, len(lines)-tailLines):]
}
