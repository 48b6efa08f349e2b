package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The package format of apk 3, apk-v3(5): a tree of objects ("ADB") that holds
// everything about the package and its files, then one block of bytes for each
// file that has any. The slot numbers are those of its schema.
const (
	pkgInfo, pkgPaths, pkgScripts = 1, 2, 3

	infoName, infoVersion, infoID, infoDescription, infoArch, infoLicense      = 1, 2, 3, 4, 5, 6
	infoOrigin, infoMaintainer, infoURL, infoBuildTime, infoInstalled, infoDep = 7, 8, 9, 11, 12, 15
	infoProvides                                                               = 16

	depName, depVersion = 1, 2

	dirName, dirACL, dirFiles = 1, 2, 3

	fileName, fileACL, fileSize, fileTime, fileHash, fileTarget = 1, 2, 3, 4, 5, 6

	aclMode, aclUser, aclGroup = 1, 2, 3

	scriptPreInstall, scriptPostInstall, scriptPreRemove, scriptPostRemove = 2, 3, 4, 5
	scriptPreUpgrade, scriptPostUpgrade                                    = 6, 7

	blockADB, blockData = 0, 2

	schemaPackage = "pckg"

	idSize = 20 // a package's unique id is the first 20 bytes of a SHA-256
)

// apk writes a package for apk 3, which OpenWrt has from 25.12 on. It is not
// signed: `apk add --allow-untrusted FILE`, or sign the index of a repository.
func apk(p *pkg) (string, []byte, error) {
	name, version := p.field("Package"), p.field("Version")
	if !strings.Contains(version, "-r") {
		version += "-r1"
	}
	arch := p.field("Architecture")
	if arch == "all" {
		arch = "noarch"
	}
	withOpenWrtLists(p, name)

	a := &adb{buf: make([]byte, 8)} // the header: two versions, both 0, and where the root is
	var depends []uint32
	for _, d := range slices.Sorted(slices.Values(p.list("Depends"))) {
		depends = append(depends, a.object(map[int]uint32{depName: a.text(d)}))
	}
	// With a version, apk lets only one package provide a name: no conflicts needed.
	var provides []uint32
	for _, d := range slices.Sorted(slices.Values(p.list("Provides"))) {
		provides = append(provides, a.object(map[int]uint32{depName: a.text(d), depVersion: a.text(version)}))
	}
	id := a.blob(make([]byte, idSize))
	info := a.object(map[int]uint32{
		infoName:        a.text(name),
		infoVersion:     a.text(version),
		infoID:          id,
		infoDescription: a.text(strings.Split(p.field("Description"), "\n")[0]),
		infoArch:        a.text(arch),
		infoLicense:     a.text(p.field("License")),
		infoOrigin:      a.text(p.field("Source")),
		infoMaintainer:  a.text(p.field("Maintainer")),
		infoURL:         a.text(p.field("URL")),
		infoBuildTime:   a.number(uint32(buildTime().Unix())),
		infoInstalled:   a.number(uint32(max(p.size(), 1))),
		infoDep:         a.array(depends),
		infoProvides:    a.array(provides),
	})

	var paths []uint32
	var data bytes.Buffer
	for i, dir := range append([]string{""}, dirs(p.files)...) {
		var files []uint32
		for _, f := range p.files {
			if strings.TrimPrefix(path.Dir(f.path), ".") != dir {
				continue
			}
			files = append(files, a.file(f))
			if f.target == "" && len(f.content) > 0 {
				where := binary.LittleEndian.AppendUint32(nil, uint32(i+1))
				where = binary.LittleEndian.AppendUint32(where, uint32(len(files)))
				data.Write(block(blockData, append(where, f.content...)))
			}
		}
		paths = append(paths, a.object(map[int]uint32{dirName: a.text(dir), dirACL: a.acl(0o755), dirFiles: a.array(files)}))
	}
	root := a.object(map[int]uint32{pkgInfo: info, pkgPaths: a.array(paths), pkgScripts: a.object(a.scripts(p, name))})
	binary.LittleEndian.PutUint32(a.buf[4:], root)

	// The id is a hash of the tree in which the id itself is still zero.
	sum := sha256.Sum256(a.buf)
	copy(a.buf[id&valueMask+1:], sum[:idSize])

	var out bytes.Buffer
	out.WriteString("ADBd") // what follows is deflated
	z, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return "", nil, err
	}
	for _, part := range [][]byte{[]byte("ADB." + schemaPackage), block(blockADB, a.buf), data.Bytes()} {
		if _, err := z.Write(part); err != nil {
			return "", nil, err
		}
	}
	if err := z.Close(); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s-%s_%s.apk", name, version, arch), out.Bytes(), nil
}

// block is a piece of the file: two bits of type and thirty of size, the
// content, zeros up to a multiple of eight.
func block(kind uint32, content []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, kind<<30|uint32(4+len(content)))
	out = append(out, content...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	return out
}

// adb is the tree under construction. A value is a word: four bits of type, and
// in the others a small number, or where in buf the rest is.
type adb struct{ buf []byte }

// The types of values.
const (
	typeNumber   = 0x1 << 28
	typeNumber32 = 0x2 << 28
	typeBlob8    = 0x8 << 28
	typeBlob16   = 0x9 << 28
	typeBlob32   = 0xa << 28
	typeObject   = 0xe << 28 // arrays too: apk itself writes them so

	valueMask = 1<<28 - 1
)

// align appends zeros until the end of buf is a multiple of n, and returns it.
func (a *adb) align(n int) uint32 {
	for len(a.buf)%n != 0 {
		a.buf = append(a.buf, 0)
	}
	return uint32(len(a.buf))
}

func (a *adb) text(s string) uint32 { return a.blob([]byte(s)) }

func (a *adb) blob(b []byte) uint32 {
	var at uint32
	switch n := len(b); {
	case n == 0:
		return 0
	case n < 1<<8:
		at = typeBlob8 | a.align(1)
		a.buf = append(a.buf, byte(n))
	case n < 1<<16:
		at = typeBlob16 | a.align(2)
		a.buf = binary.LittleEndian.AppendUint16(a.buf, uint16(n))
	default:
		at = typeBlob32 | a.align(4)
		a.buf = binary.LittleEndian.AppendUint32(a.buf, uint32(n))
	}
	a.buf = append(a.buf, b...)
	return at
}

func (a *adb) number(n uint32) uint32 {
	if n <= valueMask {
		return typeNumber | n
	}
	at := typeNumber32 | a.align(4)
	a.buf = binary.LittleEndian.AppendUint32(a.buf, n)
	return at
}

// object writes numbered slots; slots that are empty at the end are left out,
// and an object of only those is nothing at all.
func (a *adb) object(slots map[int]uint32) uint32 {
	var values []uint32
	for i, v := range slots {
		if v != 0 {
			values = append(values, make([]uint32, max(0, i-len(values)))...)
			values[i-1] = v
		}
	}
	return a.array(values)
}

func (a *adb) array(values []uint32) uint32 {
	if len(values) == 0 {
		return 0
	}
	at := typeObject | a.align(4)
	a.buf = binary.LittleEndian.AppendUint32(a.buf, uint32(len(values)+1))
	for _, v := range values {
		a.buf = binary.LittleEndian.AppendUint32(a.buf, v)
	}
	return at
}

func (a *adb) acl(mode uint32) uint32 {
	return a.object(map[int]uint32{aclMode: a.number(mode), aclUser: a.text("root"), aclGroup: a.text("root")})
}

func (a *adb) file(f file) uint32 {
	slots := map[int]uint32{
		fileName: a.text(path.Base(f.path)),
		fileACL:  a.acl(uint32(f.mode)),
		fileTime: a.number(uint32(buildTime().Unix())),
	}
	if f.target != "" {
		const symlink = 0o120000
		slots[fileTarget] = a.blob(append(binary.LittleEndian.AppendUint16(nil, symlink), f.target...))
		return a.object(slots)
	}
	sum := sha256.Sum256(f.content)
	slots[fileSize], slots[fileHash] = a.number(uint32(len(f.content))), a.blob(sum[:])
	return a.object(slots)
}

// scripts are the package's own, wrapped as OpenWrt's build wraps them: apk
// tells a script nothing about its package, and calls others when it upgrades.
func (a *adb) scripts(p *pkg, name string) map[int]uint32 {
	body := func(script string) string {
		_, text, _ := strings.Cut(p.scripts[script], "\n") // without its #! line
		return text
	}
	hello := "export root=\"${IPKG_INSTROOT}\"\nexport pkgname=\"" + name + "\"\n"
	install := openwrtScript(hello+"add_group_and_user\ndefault_postinst") + body("postinst")
	remove := openwrtScript(hello+"default_prerm") + body("prerm")
	upgrade := func(s string) string {
		return strings.Replace(s, "#!/bin/sh\n", "#!/bin/sh\nexport PKG_UPGRADE=1\n", 1)
	}
	slots := map[int]uint32{
		scriptPostInstall: a.text(install),
		scriptPostUpgrade: a.text(upgrade(install)),
		scriptPreRemove:   a.text(remove),
	}
	if s := p.scripts["preinst"]; s != "" {
		slots[scriptPreInstall], slots[scriptPreUpgrade] = a.text(s), a.text(upgrade(s))
	}
	if s := p.scripts["postrm"]; s != "" {
		slots[scriptPostRemove] = a.text(s)
	}
	return slots
}

// withOpenWrtLists adds the files in which OpenWrt keeps, beside apk's own
// database, what default_postinst, default_prerm and sysupgrade want to know.
func withOpenWrtLists(p *pkg, name string) {
	at := "lib/apk/packages/" + name
	put := func(suffix string, content []byte) {
		if len(content) > 0 {
			p.put(file{path: at + suffix, mode: 0o644, content: content})
		}
	}
	var sums []string
	for _, f := range p.files {
		if slices.Contains(p.conffiles, "/"+f.path) {
			sums = append(sums, fmt.Sprintf("/%s %x", f.path, sha256.Sum256(f.content)))
		}
	}
	put(".conffiles", lines(p.conffiles))
	put(".conffiles_static", lines(sums))
	if user := p.field("Require-User"); user != "" {
		put(".rusers", []byte(user+"\n"))
	}
	var list []string
	for _, f := range p.files {
		list = append(list, "/"+f.path)
	}
	put(".list", lines(list))
}
