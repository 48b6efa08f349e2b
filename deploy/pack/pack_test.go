package main

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is a small package's folder: a script, a setting, a link, a binary.
func sample(t *testing.T) (control, files string) {
	t.Helper()
	control, files = t.TempDir(), t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(control+"/control", "Package: sample\nVersion: @VERSION@\nDepends: zlib, ca-bundle\nArchitecture: @ARCH@\nRequire-User: sample=653:sample=653\nMaintainer: Somebody <somebody@example.org>\nDescription: A sample\n of two lines\n", 0o644)
	write(control+"/conffiles", "/etc/config/sample\n", 0o644)
	write(control+"/preinst", "#!/bin/sh\necho preinst\n", 0o755)
	write(files+"/etc/config/sample", "config sample\n", 0o644)
	write(files+"/etc/init.d/sample", "#!/bin/sh\n", 0o755)
	write(files+"/usr/sbin/sample", strings.Repeat("binary", 50_000), 0o755)
	write(files+"/usr/share/empty", "", 0o644)
	if err := os.Symlink("sample", files+"/usr/sbin/other"); err != nil {
		t.Fatal(err)
	}
	return control, files
}

// pack packs the sample and returns the file.
func pack(t *testing.T, format, arch string) []byte {
	t.Helper()
	control, files := sample(t)
	out := t.TempDir()
	if err := run([]string{"-format", format, "-control", control, "-files", files, "-arch", arch, "-version", "1.2.3", "-out", out, "-field", "Provides: other-sample"}); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(out + "/*")
	if err != nil || len(names) != 1 {
		t.Fatalf("packed %v (%v)", names, err)
	}
	want := map[string]string{"ipk": "sample_1.2.3_" + arch + ".ipk", "apk": "sample-1.2.3-r1_" + arch + ".apk", "deb": "sample_1.2.3_" + arch + ".deb"}[format]
	if filepath.Base(names[0]) != want {
		t.Errorf("the package is called %s, want %s", filepath.Base(names[0]), want)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSameInputSameBytes(t *testing.T) {
	for _, format := range []string{"ipk", "apk", "deb"} {
		if a, b := pack(t, format, "mips"), pack(t, format, "mips"); !bytes.Equal(a, b) {
			t.Errorf("two %s packages of the same files differ", format)
		}
	}
}

// untar lists a gzipped tar as "mode owner name[ -> target]", and its contents.
func untar(t *testing.T, b []byte) (list []string, contents map[string]string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	contents = map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%o %s %s", h.Mode, h.Uname, h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		list = append(list, line)
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		contents[h.Name] = string(text)
	}
}

func TestIpk(t *testing.T) {
	_, outer := untar(t, pack(t, "ipk", "mipsel_24kc"))
	if outer["./debian-binary"] != "2.0\n" {
		t.Errorf("debian-binary is %q", outer["./debian-binary"])
	}
	_, control := untar(t, []byte(outer["./control.tar.gz"]))
	for _, want := range []string{"Package: sample\n", "Version: 1.2.3\n", "Architecture: mipsel_24kc\n", "Require-User: sample=653:sample=653\n", "Description: A sample\n of two lines\n", "Installed-Size: 300024\n", "Provides: other-sample\n"} {
		if !strings.Contains(control["./control"], want) {
			t.Errorf("%q is not in\n%s", want, control["./control"])
		}
	}
	for script, want := range map[string]string{"./postinst": "default_postinst $0 $@", "./prerm": "default_prerm $0 $@", "./preinst": "echo preinst", "./conffiles": "/etc/config/sample\n"} {
		if !strings.Contains(control[script], want) {
			t.Errorf("%q is not in %s, which is\n%s", want, script, control[script])
		}
	}
	list, _ := untar(t, []byte(outer["./data.tar.gz"]))
	want := []string{
		"755 root ./", "755 root ./etc/", "755 root ./etc/config/", "755 root ./etc/init.d/", "755 root ./usr/", "755 root ./usr/sbin/", "755 root ./usr/share/",
		"600 root ./etc/config/sample", "755 root ./etc/init.d/sample", "777 root ./usr/sbin/other -> sample", "755 root ./usr/sbin/sample", "644 root ./usr/share/empty",
	}
	if !slices.Equal(list, want) {
		t.Errorf("the files are\n%s\nwant\n%s", strings.Join(list, "\n"), strings.Join(want, "\n"))
	}
}

// reader reads an ADB tree by apk-v3(5), with none of the writer's code.
type reader struct {
	t *testing.T
	b []byte
}

func (r reader) word(at uint32) uint32 { return binary.LittleEndian.Uint32(r.b[at:]) }

// slots are the values of an object or an array, from 1 on.
func (r reader) slots(v uint32) []uint32 {
	if v == 0 {
		return []uint32{0}
	}
	if v>>28 != 0xe && v>>28 != 0xd {
		r.t.Fatalf("%#x is no object", v)
	}
	at := v & 0x0fffffff
	if at%4 != 0 {
		r.t.Fatalf("the object at %d is not aligned", at)
	}
	out := make([]uint32, r.word(at))
	for i := range out {
		out[i] = r.word(at + uint32(4*i))
	}
	return out
}

// slot is one of them; what is not there is zero.
func (r reader) slot(v uint32, n int) uint32 {
	if s := r.slots(v); n < len(s) {
		return s[n]
	}
	return 0
}

func (r reader) blob(v uint32) string {
	at := v & 0x0fffffff
	switch v >> 28 {
	case 0:
		return ""
	case 0x8:
		return string(r.b[at+1:][:r.b[at]])
	case 0x9:
		return string(r.b[at+2:][:binary.LittleEndian.Uint16(r.b[at:])])
	case 0xa:
		return string(r.b[at+4:][:r.word(at)])
	}
	r.t.Fatalf("%#x is no blob", v)
	return ""
}

func (r reader) number(v uint32) uint32 {
	switch v >> 28 {
	case 0x1:
		return v & 0x0fffffff
	case 0x2:
		return r.word(v & 0x0fffffff)
	}
	r.t.Fatalf("%#x is no number", v)
	return 0
}

func TestApk(t *testing.T) {
	raw := pack(t, "apk", "mipsel_24kc")
	if string(raw[:4]) != "ADBd" {
		t.Fatalf("the file begins with %q", raw[:4])
	}
	file, err := io.ReadAll(flate.NewReader(bytes.NewReader(raw[4:])))
	if err != nil {
		t.Fatal(err)
	}
	if string(file[:8]) != "ADB.pckg" {
		t.Fatalf("what is in it begins with %q", file[:8])
	}
	// Blocks, each from a multiple of eight bytes on: the tree, then files.
	var tree []byte
	data := map[[2]uint32]string{}
	for at := 8; at < len(file); {
		word := binary.LittleEndian.Uint32(file[at:])
		kind, size := word>>30, int(word&0x3fffffff)
		content := file[at+4 : at+size]
		switch {
		case kind == 0 && tree == nil:
			tree = content
		case kind == 2 && tree != nil:
			key := [2]uint32{binary.LittleEndian.Uint32(content), binary.LittleEndian.Uint32(content[4:])}
			data[key] = string(content[8:])
		default:
			t.Fatalf("at %d there is a block of type %d", at, kind)
		}
		at += (size + 7) &^ 7
	}

	r := reader{t, tree}
	root := r.word(4)
	info := r.slot(root, 1)
	texts := map[int]string{1: "sample", 2: "1.2.3-r1", 4: "A sample", 5: "mipsel_24kc", 8: "Somebody <somebody@example.org>"}
	for slot, want := range texts {
		if got := r.blob(r.slot(info, slot)); got != want {
			t.Errorf("field %d of the package is %q, want %q", slot, got, want)
		}
	}
	var depends []string
	for _, d := range r.slots(r.slot(info, 15))[1:] {
		depends = append(depends, r.blob(r.slot(d, 1)))
	}
	if !slices.Equal(depends, []string{"ca-bundle", "zlib"}) { // sorted: apk searches by halves
		t.Errorf("it depends on %v", depends)
	}
	provides := r.slots(r.slot(info, 16))
	if len(provides) != 2 || r.blob(r.slot(provides[1], 1)) != "other-sample" || r.blob(r.slot(provides[1], 2)) != "1.2.3-r1" {
		t.Errorf("it provides %v", provides)
	}
	id := r.slot(info, 3)
	blank := bytes.Clone(tree)
	copy(blank[id&0x0fffffff+1:], make([]byte, 20))
	if sum := sha256.Sum256(blank); r.blob(id) != string(sum[:20]) {
		t.Errorf("the id is %x, want %x", r.blob(id), sum[:20])
	}

	got := map[string]string{}
	folders := r.slots(r.slot(root, 2))
	for i, dir := range folders[1:] {
		name := r.blob(r.slot(dir, 1))
		if i > 0 && name <= r.blob(r.slot(folders[i], 1)) {
			t.Errorf("folder %q comes after %q", name, r.blob(r.slot(folders[i], 1)))
		}
		last := ""
		for j, f := range r.slots(r.slot(dir, 3))[1:] {
			base := r.blob(r.slot(f, 1))
			if base <= last {
				t.Errorf("file %q comes after %q", base, last)
			}
			last = base
			acl := r.slot(f, 2)
			if r.blob(r.slot(acl, 2)) != "root" || r.blob(r.slot(acl, 3)) != "root" {
				t.Errorf("%s belongs to %s", base, r.blob(r.slot(acl, 2)))
			}
			line := fmt.Sprintf("%o", r.number(r.slot(acl, 1)))
			if target := r.blob(r.slot(f, 6)); target != "" {
				if target[:2] != "\x00\xa0" { // a symbolic link, 0120000
					t.Errorf("the target of %s has type %x", base, target[:2])
				}
				got[path.Join(name, base)] = line + " -> " + target[2:]
				continue
			}
			key := [2]uint32{uint32(i + 1), uint32(j + 1)}
			content := data[key]
			delete(data, key)
			if uint32(len(content)) != r.number(r.slot(f, 3)) {
				t.Errorf("%s has %d bytes, said to be %d", base, len(content), r.number(r.slot(f, 3)))
			}
			if sum := sha256.Sum256([]byte(content)); r.blob(r.slot(f, 5)) != string(sum[:]) {
				t.Errorf("the hash of %s is wrong", base)
			}
			got[path.Join(name, base)] = line
		}
	}
	if len(data) > 0 {
		t.Errorf("there is data of no file: %v", slices.Collect(maps.Keys(data)))
	}
	want := map[string]string{
		"etc/config/sample": "600", "etc/init.d/sample": "755", "usr/sbin/sample": "755", "usr/sbin/other": "777 -> sample", "usr/share/empty": "644",
		"lib/apk/packages/sample.list": "644", "lib/apk/packages/sample.conffiles": "644", "lib/apk/packages/sample.conffiles_static": "644", "lib/apk/packages/sample.rusers": "644",
	}
	if !maps.Equal(got, want) {
		t.Errorf("the files are %v, want %v", got, want)
	}

	scripts := r.slot(root, 3)
	for slot, want := range map[int]string{
		2: "echo preinst",
		3: "default_postinst", // after the first installation
		4: "default_prerm",
		6: "export PKG_UPGRADE=1\necho preinst",
		7: "export PKG_UPGRADE=1\n",
	} {
		if got := r.blob(r.slot(scripts, slot)); !strings.Contains(got, want) || !strings.HasPrefix(got, "#!/bin/sh\n") {
			t.Errorf("script %d is\n%s\nwant %q in it", slot, got, want)
		}
	}
}

func TestDeb(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	name := filepath.Join(t.TempDir(), "sample.deb")
	if err := os.WriteFile(name, pack(t, "deb", "amd64"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--field", name, "Package", "Version", "Architecture", "Installed-Size"}, "Package: sample\nVersion: 1.2.3\nArchitecture: amd64\nInstalled-Size: 293\n"},
		{[]string{"--contents", name}, "./usr/sbin/other -> sample"},
		{[]string{"--info", name, "md5sums"}, "d41d8cd98f00b204e9800998ecf8427e  usr/share/empty\n"},
	} {
		out, err := exec.Command("dpkg-deb", c.args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("dpkg-deb %v says (%v)\n%s", c.args, err, out)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	control, files := sample(t)
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"-format", "ipk"}, "-control and -version are needed"},
		{[]string{"-format", "rpm", "-control", control, "-version", "1"}, `"rpm" is not ipk, apk or deb`},
		{[]string{"-format", "ipk", "-control", control, "-version", "1", "-files", files + "/none"}, "none"},
		{[]string{"-format", "ipk", "-control", control, "-version", "1", "-add", "x"}, "TARGET=FILE"},
		{[]string{"-format", "ipk", "-control", control, "-version", "1", "-field", "x"}, "NAME: VALUE"},
	} {
		if err := run(test.args); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: the error is %v, want one that says %q", test.args, err, test.says)
		}
	}
}
