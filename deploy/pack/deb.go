package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"slices"
)

// deb writes a package for dpkg: an ar archive of three members (deb(5)).
func deb(p *pkg) (string, []byte, error) {
	const kib = 1024 // dpkg's unit
	control := []file{
		{path: "control", mode: 0o644, content: append(p.controlFile("Installed-Size"), fmt.Sprintf("Installed-Size: %d\n", (p.size()+kib-1)/kib)...)},
		{path: "md5sums", mode: 0o644, content: md5sums(p.files, p.conffiles)},
	}
	if len(p.conffiles) > 0 {
		control = append(control, file{path: "conffiles", mode: 0o644, content: lines(p.conffiles)})
	}
	for name, text := range p.scripts {
		control = append(control, file{path: name, mode: 0o755, content: []byte(text)})
	}
	content, err := debianMembers(p, control, ar)
	return fmt.Sprintf("%s_%s_%s.deb", p.field("Package"), p.field("Version"), p.field("Architecture")), content, err
}

// ar writes the archive format that dpkg reads: a 60-byte header of text before
// each member, members at even offsets.
func ar(members []file) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range members {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.path, buildTime().Unix(), 0, 0, 0o100000|m.mode, len(m.content))
		b.Write(m.content)
		if b.Len()%2 != 0 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), nil
}

// md5sums lets `dpkg --verify` tell whether a file has been changed. It is no
// protection, and nobody takes it for one. Of conffiles dpkg keeps track itself.
func md5sums(files []file, conffiles []string) []byte {
	var b bytes.Buffer
	for _, f := range files {
		if f.target == "" && !slices.Contains(conffiles, "/"+f.path) {
			fmt.Fprintf(&b, "%x  %s\n", md5.Sum(f.content), f.path)
		}
	}
	return b.Bytes()
}
