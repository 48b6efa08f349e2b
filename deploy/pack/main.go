// Command pack makes installable packages out of a tree of files: .ipk for
// OpenWrt up to 24.10, .apk for OpenWrt from 25.12, .deb for Debian and what
// descends from it. It needs no SDK and no packaging tools, runs wherever Go
// does, and gives the same bytes for the same input.
//
//	go run ./deploy/pack -format ipk -control deploy/openwrt/control \
//		-files deploy/openwrt/files -add usr/libexec/treehouse=dist/treehouse-mipsle \
//		-arch mipsel_24kc -version 0.1.0 -out dist/
//
// The control folder holds `control` (fields as in Debian's, with @NAME@,
// @VERSION@ and @ARCH@ left to fill in), `conffiles`, and scripts: preinst, postinst, prerm,
// postrm. What differs between the formats is in ipk.go, apk.go and deb.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	format := flags.String("format", "", "ipk, apk or deb")
	control := flags.String("control", "", "folder with control, conffiles and scripts")
	files := flags.String("files", "", "folder whose tree is installed from the root on")
	called := flags.String("name", "", "name of the package, for @NAME@ in control")
	arch := flags.String("arch", "all", "architecture, as the target's package manager calls it")
	version := flags.String("version", "", "version, such as 0.1.0")
	out := flags.String("out", ".", "folder to write to")
	var added, trees, fields []string
	flags.Func("field", "NAME: VALUE, one more field of control; may be repeated", func(s string) error {
		fields = append(fields, s)
		return nil
	})
	flags.Func("tree", "TARGET=FOLDER: one more folder; may be repeated", func(s string) error {
		trees = append(trees, s)
		return nil
	})
	flags.Func("add", "TARGET=FILE: one more file, executable if FILE is; may be repeated", func(s string) error {
		added = append(added, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *control == "" || *version == "" {
		return errors.New("-control and -version are needed")
	}
	p, err := load(*control, *called, *version, *arch)
	if err != nil {
		return err
	}
	for _, s := range fields {
		name, value, ok := strings.Cut(s, ": ")
		if !ok {
			return fmt.Errorf("-field %q should be NAME: VALUE", s)
		}
		p.fields = append(p.fields, field{name, value})
	}
	if *files != "" {
		trees = append(trees, "="+*files)
	}
	for _, s := range trees {
		target, dir, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("-tree %q should be TARGET=FOLDER", s)
		}
		if err := p.addTree(target, dir); err != nil {
			return err
		}
	}
	for _, s := range added {
		target, source, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("-add %q should be TARGET=FILE", s)
		}
		if err := p.addFile(target, source); err != nil {
			return err
		}
	}
	writers := map[string]func(*pkg) (name string, content []byte, err error){"ipk": ipk, "apk": apk, "deb": deb}
	write, ok := writers[*format]
	if !ok {
		return fmt.Errorf("-format %q is not ipk, apk or deb", *format)
	}
	name, content, err := write(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	path := filepath.Join(*out, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

// buildTime is the time that every file in a package has: SOURCE_DATE_EPOCH
// where the build sets it, else one that never changes, so that the same input
// gives the same package.
func buildTime() time.Time {
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(s, 0).UTC()
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}
