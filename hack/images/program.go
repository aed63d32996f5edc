package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
)

// program is the image of one static Go program, and the modules that it was built from.
func program(from, version string) (content, []component, error) {
	info, err := buildinfo.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return content{}, nil, fmt.Errorf("%s is not built yet: run make build", from)
	}
	if err != nil {
		return content{}, nil, fmt.Errorf("reading what %s was built from: %w", from, err)
	}
	for _, setting := range info.Settings {
		if setting.Key == "CGO_ENABLED" && setting.Value != "0" {
			return content{}, nil, fmt.Errorf("%s needs a C library, and the image has none: build it with CGO_ENABLED=0, as make build does", from)
		}
	}
	base := filepath.Base(from)
	c := content{
		layers:     []map[string]file{accounts(), {"/" + base: {mode: 0o755, from: from}}},
		entrypoint: []string{"/" + base},
		labels:     labels(base, version),
	}
	return c, goComponents(info, version), nil
}

func labels(title, version string) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":   title,
		"org.opencontainers.image.version": version,
		"org.opencontainers.image.source":  "https://github.com/shoal-dev/shoal",
	}
}

// goComponents lists the modules of a Go program, its own and the standard library's first.
func goComponents(info *debug.BuildInfo, version string) []component {
	list := []component{
		{name: info.Main.Path, version: version, purl: "pkg:golang/" + info.Main.Path + "@" + version},
		{name: "stdlib", version: info.GoVersion, purl: "pkg:golang/stdlib@" + info.GoVersion},
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		list = append(list, component{name: module.Path, version: module.Version, purl: "pkg:golang/" + module.Path + "@" + module.Version})
	}
	return list
}
