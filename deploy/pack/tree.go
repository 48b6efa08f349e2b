package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pkg is a package before it has a format.
type pkg struct {
	fields    []field
	conffiles []string          // absolute paths
	scripts   map[string]string // preinst, postinst, prerm, postrm
	files     []file            // sorted by path; folders are not among them
}

// field is one of the control file's, such as Depends.
type field struct{ name, value string }

// file is a regular file, or with a target a symbolic link.
type file struct {
	path    string // relative, with slashes
	mode    fs.FileMode
	content []byte
	target  string
}

// load reads the control folder.
func load(dir, name, version, arch string) (*pkg, error) {
	text, err := os.ReadFile(filepath.Join(dir, "control"))
	if err != nil {
		return nil, err
	}
	p := &pkg{scripts: map[string]string{}}
	filled := strings.NewReplacer("@NAME@", name, "@VERSION@", version, "@ARCH@", arch).Replace(string(text))
	for i, line := range strings.Split(strings.TrimSpace(filled), "\n") {
		if strings.HasPrefix(line, " ") && len(p.fields) > 0 { // goes on from the line before
			p.fields[len(p.fields)-1].value += "\n" + line
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("%s/control line %d: %q is not a field", dir, i+1, line)
		}
		p.fields = append(p.fields, field{name, value})
	}
	if text, err := os.ReadFile(filepath.Join(dir, "conffiles")); err == nil {
		p.conffiles = strings.Fields(string(text))
	}
	for _, name := range []string{"preinst", "postinst", "prerm", "postrm"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			p.scripts[name] = string(text)
		}
	}
	return p, nil
}

// field returns a control field, or "".
func (p *pkg) field(name string) string {
	for _, f := range p.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// controlFile is the control file as .ipk and .deb have it, without the fields
// that are for us or for the other format.
func (p *pkg) controlFile(except ...string) []byte {
	var b bytes.Buffer
	for _, f := range p.fields {
		if !slices.Contains(except, f.name) {
			fmt.Fprintf(&b, "%s: %s\n", f.name, f.value)
		}
	}
	return b.Bytes()
}

// list splits a field such as Depends at its commas.
func (p *pkg) list(name string) []string {
	var out []string
	for _, s := range strings.Split(p.field(name), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// addTree adds everything below a folder, below target.
func (p *pkg) addTree(target, dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return p.addFile(path.Join(target, filepath.ToSlash(relative)), name)
	})
}

// addFile adds one file. Of its mode only "executable" counts, as in git; what
// an administrator edits is nobody else's to read.
func (p *pkg) addFile(target, source string) error {
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	f := file{path: target, mode: 0o644}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		f.mode = 0o777
		f.target, err = os.Readlink(source)
	default:
		f.content, err = os.ReadFile(source)
		if info.Mode()&0o100 != 0 {
			f.mode = 0o755
		} else if strings.HasPrefix(target, "etc/config/") {
			f.mode = 0o600
		}
	}
	if err != nil {
		return err
	}
	p.put(f)
	return nil
}

// put adds a file in its place.
func (p *pkg) put(f file) {
	at, _ := slices.BinarySearchFunc(p.files, f, func(a, b file) int { return strings.Compare(a.path, b.path) })
	p.files = slices.Insert(p.files, at, f)
}

// dirs are all folders above the files, each before what is in it, without the
// root.
func dirs(files []file) []string {
	seen := map[string]bool{}
	var out []string
	for _, f := range files {
		for dir := path.Dir(f.path); dir != "." && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return out
}

// size is what the files take when installed, in bytes.
func (p *pkg) size() (n int) {
	for _, f := range p.files {
		n += len(f.content)
	}
	return n
}

// tarball packs files, owned by root, with the folders they are in.
func tarball(files []file) ([]byte, error) {
	var b bytes.Buffer
	// Small flash is dear and packing happens once: the best compression. The
	// header holds no time and no name, so that the bytes are always the same.
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	now := buildTime()
	header := tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, Uname: "root", Gname: "root", ModTime: now, Format: tar.FormatGNU}
	if err := t.WriteHeader(&header); err != nil {
		return nil, err
	}
	for _, dir := range dirs(files) {
		header.Name = "./" + dir + "/"
		if err := t.WriteHeader(&header); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		header := header
		header.Typeflag, header.Name, header.Mode, header.Size = tar.TypeReg, "./"+f.path, int64(f.mode), int64(len(f.content))
		if f.target != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, f.target
		}
		if err := t.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
