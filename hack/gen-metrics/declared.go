package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// metric is one that a room declares.
type metric struct {
	name, kind, help, where string
	labels                  []string
}

// kindsByOptions are the types of options that a metric is declared with, in client_golang and in component-base.
var kindsByOptions = map[string]string{"CounterOpts": "counter", "GaugeOpts": "gauge", "HistogramOpts": "histogram", "SummaryOpts": "summary"}

// programs serve the metrics of the rooms that they run. Rooms that are not here are the manager's.
var programs = map[string]string{"plugins/dispersion": "shoal-scheduler", "plugins/loadbalance": "shoal-scheduler", "load": "shoal-scheduler", "agent": "shoal-agent"}

// name of a metric of ours, or of the prefix of a name.
var ours = regexp.MustCompile(`^shoal_[a-z0-9_]+$`)

// elsewhere are folders whose sources speak of metrics without declaring any.
var elsewhere = []string{"hack", "test", "bin", "docs", "playground", "simulation"}

// declared are the metrics of all rooms below root, by name. It reads the sources: what a program serves depends on which
// controllers and plugins it runs, and on what has happened to it.
func declared(root string) ([]metric, error) {
	var all []metric
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (slices.Contains(elsewhere, name) || strings.HasPrefix(name, ".") && name != "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		found, err := ofFile(path, filepath.ToSlash(name))
		all = append(all, found...)
		return err
	})
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(all); i++ {
		if all[i].name == all[i-1].name {
			return nil, fmt.Errorf("%s: %s is declared in %s, too", all[i].where, all[i].name, all[i-1].where)
		}
	}
	return all, err
}

func ofFile(path, name string) ([]metric, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var found []metric
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
			if m := ofCall(call); m.name != "" {
				m.where = name
				found = append(found, m)
			}
		}
		return true
	})
	return found, missed(file, name, found)
}

// missed is an error when the file has the name of a metric that is not among those found: it would have no documentation.
func missed(file *ast.File, name string, found []metric) error {
	var err error
	ast.Inspect(file, func(n ast.Node) bool {
		text := textOf(n)
		if ours.MatchString(text) && !slices.ContainsFunc(found, func(m metric) bool { return m.name == text }) {
			err = fmt.Errorf("%s: %s is not declared in a way that this program reads: name and help are literals inside a call of New*(…Opts{…}), or of NewDesc", name, text)
		}
		return true
	})
	return err
}

// ofCall is the metric that a call of a constructor declares; without a name when it declares none.
func ofCall(call *ast.CallExpr) (m metric) {
	function := selected(call.Fun)
	if !strings.HasPrefix(function, "New") {
		return m
	}
	if function == "NewDesc" && len(call.Args) >= 3 { // the collectors that make them tell of what is there: gauges
		return metric{name: textOf(call.Args[0]), help: textOf(call.Args[1]), kind: "gauge", labels: textsOf(call.Args[2])}
	}
	options := call.Args[0]
	if pointer, ok := options.(*ast.UnaryExpr); ok {
		options = pointer.X
	}
	literal, ok := options.(*ast.CompositeLit)
	if !ok || kindsByOptions[selected(literal.Type)] == "" {
		return m
	}
	m.kind = kindsByOptions[selected(literal.Type)]
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key, _ := pair.Key.(*ast.Ident); key.Name {
		case "Name":
			m.name = textOf(pair.Value)
		case "Help":
			m.help = textOf(pair.Value)
		}
	}
	if len(call.Args) > 1 {
		m.labels = textsOf(call.Args[1])
	}
	return m
}

// selected is the last part of a.b, or b itself.
func selected(n ast.Expr) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		return n.Sel.Name
	case *ast.Ident:
		return n.Name
	}
	return ""
}

func textOf(n ast.Node) string {
	if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
		if text, err := strconv.Unquote(literal.Value); err == nil {
			return text
		}
	}
	return ""
}

func textsOf(n ast.Expr) []string {
	var texts []string
	if list, ok := n.(*ast.CompositeLit); ok {
		for _, element := range list.Elts {
			texts = append(texts, textOf(element))
		}
	}
	return texts
}
