package realnode

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddressesDoNotMeet(t *testing.T) {
	bridge := netip.PrefixFrom(Gateway(), bridgePrefixLen).Masked()
	services := netip.MustParsePrefix("10.96.0.0/12")
	seen := map[netip.Addr]int{Gateway(): -1}
	for i := range Most {
		address := Address(i)
		if other, taken := seen[address]; taken {
			t.Errorf("nodes %d and %d both have %s", other, i, address)
		}
		seen[address] = i
		// The first and the last address of a network belong to nobody.
		if last := address.As4()[3]; !bridge.Contains(address) || last == 0 || last == 255 {
			t.Errorf("node %d cannot have %s on %s", i, address, bridge)
		}
		pods := PodRange(i)
		if pods.Masked() != pods || pods.Overlaps(bridge) || pods.Overlaps(services) {
			t.Errorf("the pods of node %d have %s, beside %s and %s", i, pods, bridge, services)
		}
		for j := range i {
			if pods.Overlaps(PodRange(j)) {
				t.Errorf("nodes %d and %d share %s", j, i, pods)
			}
		}
	}
}

func TestVolumesStayOnTheDisk(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/", "//", "a/b", "../a", "/a", "a/", "a/..", "./a"} {
		if path, err := volumeDir(name); err == nil {
			t.Errorf("%q leads to %s", name, path)
		}
	}
	for _, name := range []string{"pvc-1", "...", "a.b"} {
		path, err := volumeDir(name)
		if err != nil || filepath.Dir(path) != DiskPath {
			t.Errorf("%q leads to %s, %v, want a directory of %s", name, path, err, DiskPath)
		}
	}
}

func TestOnlyWhatIsHiddenIsKept(t *testing.T) {
	for dir, want := range map[string]bool{
		"/run": true, "/run/user/1": true, "/var/lib/x": true, "/var/log": true,
		"/running": false, "/var": false, "/var/library": false, "/home/me": false,
	} {
		if isHidden(dir) != want {
			t.Errorf("%s is hidden: %v", dir, !want)
		}
	}
}

func TestConfigurationIsReadAsWritten(t *testing.T) {
	want := Config{Name: "real-1", Index: 1, Count: 2, Dir: t.TempDir(), DiskBytes: 1 << 40, Labels: map[string]string{"b": "2", "a": "1"}}
	if err := want.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(want.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != want.Name || got.Index != want.Index || got.DiskBytes != want.DiskBytes {
		t.Errorf("got %+v", got)
	}
	if args := strings.Join(got.kubeletArgs(), " "); !strings.Contains(args, "--node-labels=a=1,b=2") || !strings.Contains(args, "--node-ip="+Address(1).String()) {
		t.Errorf("the kubelet would get %s", args)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a directory without a configuration was read")
	}
}
