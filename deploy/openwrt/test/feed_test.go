package openwrt

import (
	"bytes"
	"errors"
	"fmt"
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

// The stand-ins for OpenWrt's build system: where it looks, what it defines
// before a package's Makefile goes on, and what it does with what that defines.
// They complain about what would be wrong with the real one.
var buildSystem = map[string]string{
	"rules.mk": `
INCLUDE_DIR:=$(TOPDIR)/include
comma:=,
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
CP:=cp -fpR
`,
	"include/package.mk": `
$(foreach v,PKG_NAME PKG_VERSION PKG_RELEASE PKG_LICENSE PKG_HASH,$(if $($(v)),,$(error $(v) is not set before package.mk)))
define BuildPackage
$(eval DEPENDS:=) $(eval PROVIDES:=) $(eval CONFLICTS:=) $(eval VARIANT:=) $(eval TITLE:=) $(eval DEFAULT_VARIANT:=)
$(eval $(Package/$(1)))
$(foreach v,SECTION CATEGORY SUBMENU TITLE URL DEPENDS USERID VARIANT DEFAULT_VARIANT PROVIDES CONFLICTS,$(info $(1) $(v) $($(v))))
$(foreach d,install description conffiles preinst,$(if $(Package/$(1)/$(d)),,$(error Package/$(1)/$(d) is not defined)))
.PHONY: install-$(1)
install-$(1): ; $$(call Package/$(1)/install,$(DESTDIR))
endef
$(foreach v,PKG_CPE_ID PKG_BUILD_DEPENDS PKG_BUILD_PARALLEL PKG_BUILD_FLAGS PKG_SOURCE PKG_SOURCE_URL PKG_LICENSE_FILES,$(info package $(v) $($(v))))
`,
	"feeds/packages/lang/golang/golang-package.mk": `
$(if $(GO_PKG),,$(error GO_PKG is not set before golang-package.mk))
GO_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel)
$(foreach v,GO_PKG GO_PKG_BUILD_PKG GO_PKG_TAGS,$(info golang $(v) $($(v))))
define GoPackage/Package/Install/Bin
	$(INSTALL_DIR) $(1)/usr/bin
	$(INSTALL_BIN) $(BINARY) $(1)/usr/bin/treehouse
endef
define GoBinPackage
ifndef Package/$(1)/install
Package/$(1)/install=$$(call GoPackage/Package/Install/Bin,$$(1))
endif
endef
`,
}

// feed is a tree of OpenWrt's with the package in the packages feed.
func feed(t *testing.T) (top string) {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	top = t.TempDir()
	for name, text := range buildSystem {
		path := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	here := filepath.Join(top, "feeds/packages/net/treehouse")
	for _, part := range []string{"files", "control"} {
		if err := os.CopyFS(filepath.Join(here, part), os.DirFS("../"+part)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../Makefile")
	if err == nil {
		err = os.WriteFile(filepath.Join(here, "Makefile"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// runFeed runs the package's Makefile as the build system does.
func runFeed(t *testing.T, top string, args ...string) string {
	t.Helper()
	cmd := exec.Command("make", append([]string{"-s", "-C", filepath.Join(top, "feeds/packages/net/treehouse"), "TOPDIR=" + top, "--warn-undefined-variables"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestFeedSaysWhatTheFeedWants(t *testing.T) {
	top := feed(t)
	// What make itself does not define and the stand-ins leave out is no matter.
	warnings := regexp.MustCompile(`(?m)^.*warning: undefined variable '(BUILD_VARIANT|DESTDIR|BINARY|TOPDIR)'\n`)
	for variant, tags := range map[string]string{"full": "nethttpomithttp2", "tiny": "nethttpomithttp2,tiny"} {
		out := warnings.ReplaceAllString(runFeed(t, top, "-n", "install-treehouse", "DESTDIR=/nowhere", "BUILD_VARIANT="+variant), "")
		if strings.Contains(out, "warning") {
			t.Errorf("make warns:\n%s", out)
		}
		has(t, out,
			"package PKG_CPE_ID cpe:/a:treehouse-dns:treehouse",
			"package PKG_BUILD_DEPENDS golang/host", "package PKG_BUILD_PARALLEL 1", "package PKG_BUILD_FLAGS no-mips16",
			"package PKG_SOURCE treehouse-0.1.0.tar.gz", "package PKG_LICENSE_FILES LICENSE",
			"golang GO_PKG github.com/treehouse-dns/treehouse", "golang GO_PKG_BUILD_PKG github.com/treehouse-dns/treehouse/cmd/treehouse",
			"golang GO_PKG_TAGS "+tags,
			"treehouse SECTION net", "treehouse CATEGORY Network", "treehouse SUBMENU IP Addresses and Names",
			"treehouse VARIANT full", "treehouse DEFAULT_VARIANT 1", "treehouse PROVIDES ",
			"treehouse USERID treehouse=653:treehouse=653",
			"treehouse-tiny VARIANT tiny", "treehouse-tiny DEFAULT_VARIANT ", "treehouse-tiny PROVIDES treehouse", "treehouse-tiny CONFLICTS treehouse",
			"treehouse-tiny TITLE DNS resolver of a home that knows who is asking (for 8 MB of flash)",
		)
		for _, name := range []string{"treehouse", "treehouse-tiny"} {
			has(t, out, name+" DEPENDS @(aarch64||arm||mips||mipsel) +ca-bundle +kmod-nft-core +kmod-nft-nat +kmod-nf-conntrack-netlink")
		}
	}
}

// What the feed's package installs is what ours does, to the mode of each file.
func TestFeedInstallsWhatOursDoes(t *testing.T) {
	top := feed(t)
	binary := filepath.Join(top, "binary")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho treehouse 0.1.0-test\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ours := t.TempDir()
	unpack(t, filepath.Join(packages(t), "treehouse_0.1.0_mipsel_24kc.ipk"), "data.tar.gz", ours)
	for _, name := range []string{"treehouse", "treehouse-tiny"} {
		theirs := t.TempDir()
		runFeed(t, top, "install-"+name, "DESTDIR="+theirs, "BINARY="+binary, "BUILD_VARIANT=")
		if got, want := modes(t, theirs), modes(t, ours); !maps.Equal(got, want) {
			t.Errorf("%s of the feed installs\n%s\nours\n%s", name, listed(got), listed(want))
		}
	}
}

// modes are a tree's files with mode and length.
func modes(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		relative, _ := filepath.Rel(root, name)
		out[relative] = fmt.Sprintf("%o %d bytes", info.Mode().Perm(), info.Size())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func listed(files map[string]string) string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "%s %s\n", files[name], name)
	}
	return b.String()
}
