package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// parts is what a router is made of, as files on this machine.
type parts struct {
	kernel, initramfs, firmware string
	ubi                         string // an empty UBIFS, as it leaves the factory
}

//go:embed init
var initScript []byte

// modules are the drivers in the initramfs, in no order.
var modules = [...]string{"mii", "pcnet32", "phram", "squashfs", "jffs2", "ubi", "crc16", "zstd_compress", "zstd", "deflate", "ubifs"}

// makeParts fetches Debian's kernel and busybox into cache, once, and puts the
// binary at treehouse and the configuration into images.
func makeParts(cache, treehouse string, config []byte) (p parts, err error) {
	root := filepath.Join(cache, "debian")
	if _, err := os.Stat(filepath.Join(root, "bin/busybox")); err != nil {
		fetch := exec.Command("e2e/vm/fetch", root)
		fetch.Stdout, fetch.Stderr = os.Stderr, os.Stderr
		if err := fetch.Run(); err != nil {
			return p, fmt.Errorf("fetching Debian's kernel and busybox: %w", err)
		}
	}
	kernels, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if len(kernels) == 0 {
		return p, fmt.Errorf("there is no kernel in %s; remove the folder to fetch it again", root)
	}
	p = parts{kernel: kernels[0], initramfs: filepath.Join(cache, "initramfs"), firmware: filepath.Join(cache, "firmware.squashfs")}
	if err := makeInitramfs(root, p.initramfs); err != nil {
		return p, err
	}
	p.ubi = filepath.Join(cache, "ubi.img")
	return p, errors.Join(makeFirmware(treehouse, config, p.firmware), makeUBI(p.ubi))
}

// makeUBI makes the image of a flash with one empty volume; UBIFS makes itself a
// file system in it when it is mounted first.
func makeUBI(to string) error {
	layout := to + ".ini"
	text := "[overlay]\nmode=ubi\nvol_id=0\nvol_type=dynamic\nvol_name=overlay\nvol_size=1MiB\nvol_flags=autoresize\n"
	if err := os.WriteFile(layout, []byte(text), 0o644); err != nil {
		return err
	}
	return run("ubinize", "-o", to, "-p", fmt.Sprint(nandErase), "-m", fmt.Sprint(nandPage), layout)
}

// makeInitramfs packs init, busybox and the drivers.
func makeInitramfs(root, to string) error {
	dir, err := os.MkdirTemp("", "treehouse-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"bin", "modules", "dev", "proc", "sys", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{"bin/busybox": filepath.Join(root, "bin/busybox")}
	err = filepath.WalkDir(filepath.Join(root, "lib/modules"), func(path string, d fs.DirEntry, err error) error {
		for _, m := range modules {
			if d != nil && d.Name() == m+".ko" {
				files["modules/"+d.Name()] = path
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for name, from := range files {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "init"), initScript, 0o755); err != nil {
		return err
	}
	return run("sh", "-c", `cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1 >"$2"`, "sh", dir, mustAbs(to))
}

// makeFirmware packs the binary as OpenWrt does, in a squashfs.
func makeFirmware(treehouse string, config []byte, to string) error {
	dir, err := os.MkdirTemp("", "treehouse-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := os.ReadFile(treehouse)
	if err != nil {
		return fmt.Errorf("%w; `make size` builds it", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "treehouse"), binary, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "treehouse.yaml"), config, 0o644); err != nil {
		return err
	}
	return run("mksquashfs", dir, to, "-noappend", "-quiet", "-no-progress", "-all-root")
}

// run runs a program of this machine.
func run(name string, args ...string) error {
	var said bytes.Buffer
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// mustAbs is path from the root; only a folder that is gone could prevent it.
func mustAbs(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}
