package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// debianPackages are what the Redis image is made of, beside the libraries that they need.
var debianPackages = []string{"redis-server", "redis-sentinel", "redis-tools", "busybox-static"}

// redisPrograms are the programs of those packages; busybox is the shell of the entrypoint.
var redisPrograms = []string{
	"/usr/bin/redis-server", "/usr/bin/redis-sentinel", "/usr/bin/redis-cli", "/usr/bin/redis-check-aof",
	"/usr/bin/redis-check-rdb", "/usr/bin/redis-benchmark", "/bin/busybox",
}

// redis is the image of Redis and Sentinel as Debian builds them.
func redis(entrypoint string) (content, []component, error) {
	if err := installed(); err != nil {
		return content{}, nil, err
	}
	files := accounts()
	for _, path := range redisPrograms {
		if err := addFile(files, path); err != nil {
			return content{}, nil, err
		}
		libraries, err := librariesOf(path)
		if err != nil {
			return content{}, nil, err
		}
		for _, library := range libraries {
			files[library] = file{mode: 0o755, from: library}
		}
	}
	packages, err := packagesOf(files)
	if err != nil {
		return content{}, nil, err
	}
	bill, version, err := addPackages(files, packages)
	if err != nil {
		return content{}, nil, err
	}
	if err := addShell(files); err != nil {
		return content{}, nil, err
	}
	files["/data"] = file{mode: fs.ModeDir | 0o755, owner: nonroot}
	c := content{
		layers:     []map[string]file{files, {"/usr/local/bin/shoal-redis": {mode: 0o755, from: entrypoint}}},
		entrypoint: []string{"/usr/local/bin/shoal-redis"},
		workingDir: "/data",
		env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		labels:     labels("redis", version),
	}
	return c, bill, nil
}

// installed names everything that is missing at once, with the command that brings it.
func installed() error {
	var missing []string
	for _, name := range debianPackages {
		if out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}", name).Output(); err != nil || string(out) != "installed" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the Redis image is made of Debian packages that are not installed: run apt-get install %s, or leave the image out with make images IMAGES=shoal-scheduler,shoal-manager,shoal-agent",
			strings.Join(missing, " "))
	}
	return nil
}

// addFile adds a program, and keeps a link to its neighbour a link.
func addFile(files map[string]file, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		files[path] = file{mode: 0o755, from: path}
		return nil
	}
	link, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if filepath.Base(link) != link {
		return fmt.Errorf("%s points to %s, outside of its folder", path, link)
	}
	files[path] = file{link: link}
	return nil
}

// librariesOf asks the dynamic linker. A static program has none.
func librariesOf(path string) ([]string, error) {
	out, err := exec.Command("ldd", path).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "not a dynamic executable") {
			return nil, nil
		}
		return nil, fmt.Errorf("asking for the libraries of %s: %w: %s", path, err, strings.TrimSpace(string(out)))
	}
	return parseLdd(string(out))
}

// parseLdd reads lines as "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f...)" and "/lib64/ld-linux-x86-64.so.2 (0x7f...)".
func parseLdd(out string) ([]string, error) {
	var libraries []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "not found") {
			return nil, fmt.Errorf("a library is missing: %s", strings.TrimSpace(line))
		}
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, "/") {
				libraries = append(libraries, word)
				break
			}
		}
	}
	slices.Sort(libraries)
	return slices.Compact(libraries), nil
}

// packagesOf are the Debian packages that the files come from.
func packagesOf(files map[string]file) (map[string]bool, error) {
	packages := map[string]bool{}
	for _, name := range debianPackages {
		packages[name] = true // redis-sentinel has nothing but a link
	}
	for _, f := range files {
		if f.from == "" {
			continue
		}
		owner, err := packageOf(f.from)
		if err != nil {
			return nil, err
		}
		packages[owner] = true
	}
	return packages, nil
}

// packageOf is the Debian package that a file belongs to. A package may have registered it under / or under /usr, which
// are one folder since Debian merged them.
func packageOf(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	short := func(path string) string { return strings.TrimPrefix(path, "/usr") }
	// One that is not registered makes dpkg-query fail, and it prints the owners of the others nevertheless.
	out, _ := exec.Command("dpkg-query", "-S", resolved, path, short(resolved), short(path), "/usr"+path).Output()
	for line := range strings.Lines(string(out)) {
		if owner, _, ok := strings.Cut(line, ": "); ok && !strings.Contains(owner, " ") {
			return owner, nil
		}
	}
	return "", fmt.Errorf("no Debian package owns %s: the bill of materials would be wrong", path)
}

// addPackages adds the licences of the packages, and lists them. The version is that of Redis.
func addPackages(files map[string]file, packages map[string]bool) (bill []component, version string, err error) {
	for owner := range packages {
		out, err := exec.Command("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", owner).Output()
		if err != nil {
			return nil, "", fmt.Errorf("asking for the version of %s: %w", owner, err)
		}
		fields := strings.Fields(string(out))
		if len(fields) != 3 {
			return nil, "", fmt.Errorf("asking for the version of %s: dpkg-query says %q", owner, out)
		}
		name := fields[0]
		if name == "redis-server" {
			version = fields[1]
		}
		if err := addLicence(files, name); err != nil {
			return nil, "", err
		}
		bill = append(bill, component{name: name, version: fields[1], purl: "pkg:deb/debian/" + name + "@" + escape(fields[1]) + "?arch=" + fields[2]})
	}
	slices.SortFunc(bill, func(a, b component) int { return strings.Compare(a.name, b.name) })
	return slices.Compact(bill), version, nil // a package may be known with and without its architecture
}

// addLicence adds a package's licence, where the machine has it: who passes the image on needs it.
func addLicence(files map[string]file, name string) error {
	path := "/usr/share/doc/" + name + "/copyright"
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	files[path] = file{mode: 0o644, text: string(text)}
	return nil
}

// addShell adds a link for each of busybox's tools.
func addShell(files map[string]file) error {
	out, err := exec.Command("/bin/busybox", "--list").Output()
	if err != nil {
		return fmt.Errorf("listing the tools of busybox: %w", err)
	}
	for tool := range strings.FieldsSeq(string(out)) {
		if tool != "busybox" {
			files["/bin/"+tool] = file{link: "busybox"}
		}
	}
	return nil
}
