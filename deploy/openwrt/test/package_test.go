package openwrt

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// packages builds the packages as a user would, around a stand-in for the
// binary: what is tested here is everything else.
func packages(t *testing.T) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	dir = t.TempDir()
	binary := filepath.Join(dir, "treehouse")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho treehouse 0.1.0-test\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("make", "-C", "..", "OUT="+dir, "BINARY="+binary, "VERSION=0.1.0", "TARGETS=mipsle/mipsel_24kc")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	return dir
}

// unpack unpacks a member of an .ipk to a folder.
func unpack(t *testing.T, ipk, member, to string) {
	t.Helper()
	out, err := exec.Command("sh", "-c", `tar -xzOf "$1" "./$2" | tar -xz -C "$3"`, "sh", ipk, member, to).CombinedOutput()
	if err != nil {
		t.Fatalf("%s of %s: %v\n%s", member, ipk, err, out)
	}
}

// tree lists a folder's files with their contents.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		relative, _ := filepath.Rel(root, name)
		files[relative] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPackageInstallsUpgradesAndLeavesNoTrace(t *testing.T) {
	dir := packages(t)
	ipk := filepath.Join(dir, "treehouse_0.1.0_mipsel_24kc.ipk")
	r := newSystem(t)
	before := tree(t, r.root)

	control := r.path("tmp/control")
	r.must(os.MkdirAll(control, 0o755))
	unpack(t, ipk, "control.tar.gz", control)
	unpack(t, ipk, "data.tar.gz", r.root)
	installed := tree(t, r.root)
	has(t, r.sh("sh /tmp/control/preinst; sh /tmp/control/postinst"), "enable", "command /usr/libexec/treehouse serve", "dnsmasq restart")
	if r.read("etc/config/dhcp") == dhcp {
		t.Error("installing it does not take dnsmasq into service")
	}
	if r.read("etc/uci-defaults/90-treehouse") == "" {
		t.Error("what should outlive a flash is gone")
	}

	// The old version stops, giving dnsmasq back; the new one starts.
	record := r.sh("export PKG_UPGRADE=1; sh /tmp/control/preinst")
	has(t, record, "kill", "dnsmasq restart")
	if r.read("etc/config/dhcp") != dhcp {
		t.Error("an upgrade does not restore dnsmasq before the old files go")
	}
	record = r.sh("export PKG_UPGRADE=1; sh /tmp/control/postinst")
	has(t, record, "command /usr/libexec/treehouse serve", "dnsmasq restart")
	hasNot(t, record, "enable") // that was the administrator's to decide

	has(t, r.sh("sh /tmp/control/prerm"), "disable", "kill", "dnsmasq restart")
	for name := range installed {
		if _, was := before[name]; !was {
			r.must(os.Remove(r.path(name)))
		}
	}
	after := tree(t, r.root)
	for _, passing := range []string{"tmp/procd", "var/run/treehouse.env"} { // the record of these tests, and what is in memory
		delete(after, passing)
	}
	maps.DeleteFunc(after, func(name, text string) bool { return before[name] == text })
	if len(after) > 0 {
		t.Errorf("removed, it leaves or has changed %v", slices.Collect(maps.Keys(after)))
	}
}

func TestPackageControl(t *testing.T) {
	dir := packages(t)
	control := t.TempDir()
	unpack(t, filepath.Join(dir, "treehouse_0.1.0_mipsel_24kc.ipk"), "control.tar.gz", control)
	files := tree(t, control)
	for _, want := range []string{"Package: treehouse\n", "Version: 0.1.0\n", "Architecture: mipsel_24kc\n", "Require-User: treehouse=653:treehouse=653\n", "License: Apache-2.0\n"} {
		if !strings.Contains(files["control"], want) {
			t.Errorf("%q is not in\n%s", want, files["control"])
		}
	}
	if files["conffiles"] != "/etc/config/treehouse\n/etc/treehouse/\n" {
		t.Errorf("conffiles is %q", files["conffiles"])
	}
	// The package of the feed is made of the same files and says the same.
	feed, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	depends := regexp.MustCompile(`Depends: (.*)`).FindStringSubmatch(files["control"])[1]
	for _, d := range strings.Split(depends, ", ") {
		if !strings.Contains(string(feed), "+"+d) {
			t.Errorf("the feed's package does not depend on %s", d)
		}
	}
	for _, want := range []string{"USERID:=treehouse=653:treehouse=653", "PKG_VERSION:=0.1.0", "./files/*", "<./control/conffiles", "<./control/preinst"} {
		if !strings.Contains(string(feed), want) {
			t.Errorf("%q is not in the feed's Makefile", want)
		}
	}
	for _, name := range []string{"treehouse-0.1.0-r1_mipsel_24kc.apk", "luci-app-treehouse_0.1.0_all.ipk", "luci-app-treehouse-0.1.0-r1_noarch.apk"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestCapabilitiesAreInAllFiveSets(t *testing.T) {
	for file, want := range map[string][]string{
		"treehouse":          {"CAP_NET_BIND_SERVICE"},
		"treehouse-firewall": {"CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"},
	} {
		sets := capabilities(t, file)
		for _, set := range []string{"bounding", "effective", "ambient", "permitted", "inheritable"} {
			if !slices.Equal(sets[set], want) {
				t.Errorf("%s: %s is %v", file, set, sets[set])
			}
		}
		if len(sets) != 5 {
			t.Errorf("%s has %d sets", file, len(sets))
		}
	}
}

func capabilities(t *testing.T, file string) (sets map[string][]string) {
	t.Helper()
	b, err := os.ReadFile("../files/etc/capabilities/" + file + ".json")
	if err == nil {
		err = json.Unmarshal(b, &sets)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

const app = "../luci-app-treehouse/"

func TestLuCI(t *testing.T) {
	for _, name := range []string{"root/usr/share/luci/menu.d/luci-app-treehouse.json", "root/usr/share/rpcd/acl.d/luci-app-treehouse.json"} {
		b, err := os.ReadFile(app + name)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b) {
			t.Errorf("%s is no JSON", name)
		}
	}
	view, err := os.ReadFile(app + "htdocs/luci-static/resources/view/treehouse/overview.js")
	if err != nil {
		t.Fatal(err)
	}
	if node, err := exec.LookPath("node"); err == nil {
		// LuCI calls a view as the body of a function.
		cmd := exec.Command(node, "--check", "-")
		cmd.Stdin = strings.NewReader("(function() {\n" + string(view) + "\n})")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("the view: %v\n%s", err, out)
		}
	}

	// Every text of the view can be translated, and is.
	texts := regexp.MustCompile(`_\('([^']*)'\)`).FindAllSubmatch(view, -1)
	if len(texts) < 20 {
		t.Fatalf("only %d texts found", len(texts))
	}
	translations, _ := filepath.Glob(app + "po/*/*.po*")
	if len(translations) < 4 {
		t.Errorf("only %v", translations)
	}
	for _, file := range translations {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			entry := regexp.MustCompile(`msgid "` + regexp.QuoteMeta(string(text[1])) + `"\nmsgstr "(.*)"`).FindSubmatch(b)
			if entry == nil || len(entry[1]) == 0 && !strings.HasSuffix(file, ".pot") {
				t.Errorf("%s has nothing for %q", file, text[1])
			}
		}
	}
}

func TestLuCIStatus(t *testing.T) {
	r := newRouter(t)
	const backend = "usr/libexec/rpcd/luci.treehouse"
	r.must(os.MkdirAll(filepath.Dir(r.path(backend)), 0o755))
	r.copy(app+"root/"+backend, backend)
	r.must(os.WriteFile(r.path("usr/libexec/treehouse"), []byte("#!/bin/sh\necho 'treehouse 0.1.0\"; rm'\n"), 0o755))
	for _, tool := range []string{"cut", "printf"} {
		r.must(os.Symlink("busybox", r.path("bin/"+tool)))
	}
	status := func() (s struct {
		Enabled, Running, Filtering bool
		Mode, Version               string
		Pages                       int
		WhenDown                    string `json:"when_down"`
	}) {
		t.Helper()
		r.sh("/" + backend + " call status > /tmp/status")
		if err := json.Unmarshal([]byte(r.read("tmp/status")), &s); err != nil {
			t.Errorf("%v in %s", err, r.read("tmp/status"))
		}
		return s
	}
	if s := status(); !s.Enabled || s.Running || s.Filtering || s.Mode != "behind" || s.Pages != 8080 || s.WhenDown != "closed" || s.Version != "0.1.0rm" {
		t.Errorf("before it is started the state is %+v", s)
	}
	r.service("start")
	r.set("enabled", "0")
	if s := status(); s.Enabled || !s.Filtering {
		t.Errorf("started, then switched off and not yet applied, the state is %+v", s)
	}
	r.sh("/" + backend + " list > /tmp/list")
	if got := r.read("tmp/list"); !json.Valid([]byte(got)) || !strings.Contains(got, "status") {
		t.Errorf("it lists %s", got)
	}
	acl, err := os.ReadFile(app + "root/usr/share/rpcd/acl.d/luci-app-treehouse.json")
	r.must(err)
	if !bytes.Contains(acl, []byte(`"luci.treehouse": [ "status" ]`)) {
		t.Error("nobody may call it")
	}
}

// Every script is one that the router's shell can read.
func TestScriptsParse(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed")
	}
	checked := 0
	for _, root := range []string{"../files", "../control", app + "root", app + "control"} {
		for name, text := range tree(t, root) {
			if !strings.HasPrefix(text, "#!/bin/sh") && !strings.HasSuffix(name, ".sh") {
				continue
			}
			checked++
			if out, err := exec.Command(busybox, "ash", "-n", filepath.Join(root, name)).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
	if checked < 7 {
		t.Errorf("only %d scripts found", checked)
	}
}
