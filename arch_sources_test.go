package shoal_test

// How arch_test.go sees the repository: every Go file, parsed, grouped by folder.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/shoal-dev/shoal"

type source struct {
	name      string // slash-separated, from the root
	test      bool
	generated bool
	lines     int
	imports   []string
	syntax    *ast.File
	fset      *token.FileSet
}

// folder is one package, its tests included.
type folder struct {
	dir   string // slash-separated, from the root; "." is the root
	files []source
}

type tree struct {
	packages []folder // sorted by dir
}

var parsed = sync.OnceValues(parseTree)

func repository(t *testing.T) tree {
	t.Helper()
	repo, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(repo.packages) < 2 {
		t.Fatalf("found %d packages: the rules would pass without having looked at anything", len(repo.packages))
	}
	return repo
}

// parseTree reads every Go file of this module. Folders that the go command ignores, and modules of their own, are
// left out.
func parseTree() (tree, error) {
	folders := map[string]*folder{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && ignored(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := parseFile(filepath.ToSlash(name))
		if err != nil {
			return fmt.Errorf("parsing %s: %w", name, err)
		}
		if src.syntax == nil {
			return nil
		}
		dir := path.Dir(src.name)
		if folders[dir] == nil {
			folders[dir] = &folder{dir: dir}
		}
		folders[dir].files = append(folders[dir].files, src)
		return nil
	})
	var repo tree
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		repo.packages = append(repo.packages, *folders[dir])
	}
	return repo, err
}

func ignored(dir string) bool {
	name := filepath.Base(dir)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || dir == "bin" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// parseFile leaves syntax nil for scripts that are run by hand (//go:build ignore).
func parseFile(name string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	if strings.HasPrefix(string(text), "//go:build ignore\n") {
		return source{name: name}, nil
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	src := source{
		name:      name,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		lines:     strings.Count(string(text), "\n"),
		syntax:    syntax,
		fset:      fset,
	}
	for _, spec := range syntax.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		src.imports = append(src.imports, imp)
	}
	return src, nil
}

func isOurs(imp string) bool { return isBelow(imp, module) }

// ourImports are the imported packages of this repository, as folders.
func (s source) ourImports() []string {
	var dirs []string
	for _, imp := range s.imports {
		if isOurs(imp) && imp != module {
			dirs = append(dirs, strings.TrimPrefix(imp, module+"/"))
		}
	}
	return dirs
}

// calls lists the uses of the given functions, by import path.
func (s source) calls(wanted map[string][]string) []string {
	names := map[string][]string{} // local name of the import -> functions
	for i, spec := range s.syntax.Imports {
		functions, ok := wanted[s.imports[i]]
		if !ok {
			continue
		}
		name := path.Base(s.imports[i])
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = functions
	}
	var found []string
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := selector.X.(*ast.Ident); ok && slices.Contains(names[pkg.Name], selector.Sel.Name) {
			found = append(found, fmt.Sprintf("%s uses %s.%s", s.position(selector), pkg.Name, selector.Sel.Name))
		}
		return true
	})
	return found
}

func (s source) goStatements() []string {
	var found []string
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		if statement, ok := node.(*ast.GoStmt); ok {
			found = append(found, s.position(statement))
		}
		return true
	})
	return found
}

func (s source) position(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(node.Pos()).Line)
}

type function struct {
	name  string // with the receiver's type: Code.Page
	lines int
}

func (s source) functions() []function {
	var list []function
	for _, decl := range s.syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil && len(fn.Recv.List) == 1 {
			name = receiver(fn.Recv.List[0].Type) + "." + name
		}
		first, last := s.fset.Position(fn.Pos()).Line, s.fset.Position(fn.End()).Line
		list = append(list, function{name: name, lines: last - first + 1})
	}
	return list
}

func receiver(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

func (s source) typeNames() []string {
	var names []string
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		if spec, ok := node.(*ast.TypeSpec); ok {
			names = append(names, spec.Name.Name)
		}
		return true
	})
	return names
}

func (p folder) hasCode() bool {
	return slices.ContainsFunc(p.files, func(f source) bool { return !f.test })
}

// name of the package, without the suffix of its external tests.
func (p folder) name() string {
	for _, f := range p.files {
		if !f.test {
			return f.syntax.Name.Name
		}
	}
	return strings.TrimSuffix(p.files[0].syntax.Name.Name, "_test")
}

// doc is the package comment without markers for generators.
func (p folder) doc() string {
	for _, f := range p.files {
		if f.test || f.syntax.Doc == nil {
			continue
		}
		for line := range strings.Lines(f.syntax.Doc.Text()) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "+") {
				return line
			}
		}
	}
	return ""
}

func (r tree) byDir(dir string) folder {
	for _, p := range r.packages {
		if p.dir == dir {
			return p
		}
	}
	return folder{dir: dir}
}

func (r tree) inRoom(room string) []folder {
	var list []folder
	for _, p := range r.packages {
		if i := roomOf(p.dir); i >= 0 && rooms[i] == room {
			list = append(list, p)
		}
	}
	return list
}

// closure is every folder of ours that the code of a room reaches, the room's own included, sorted.
func (r tree) closure(room string) []string {
	seen := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, f := range r.byDir(dir).files {
			if !f.test {
				for _, imp := range f.ourImports() {
					visit(imp)
				}
			}
		}
	}
	for _, p := range r.inRoom(room) {
		visit(p.dir)
	}
	return slices.Sorted(maps.Keys(seen))
}

// handwritten are the files to which limits of size apply.
func (r tree) handwritten() []source {
	var list []source
	for _, p := range r.packages {
		for _, f := range p.files {
			if !f.test && !f.generated && !strings.HasPrefix(path.Base(f.name), "zz_") {
				list = append(list, f)
			}
		}
	}
	return list
}

// exemptions counts which entries of a list of exceptions are still needed.
type exemptions struct {
	reasons map[string]string
	used    map[string]bool
}

func newExemptions(reasons map[string]string) exemptions {
	return exemptions{reasons: reasons, used: map[string]bool{}}
}

func (e exemptions) covers(key string) bool {
	if e.reasons[key] == "" {
		return false
	}
	e.used[key] = true
	return true
}

func (e exemptions) reportUnused(t *testing.T, list string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(e.reasons)) {
		if !e.used[key] {
			t.Errorf("%s[%q] is not needed, or has no reason: remove it", list, key)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func listFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
