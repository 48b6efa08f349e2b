package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Where things are in the file that is the machine's memory. The kernel is told
// of the first 64 MiB only (mem=64M); what follows is the flash chip, which keeps
// what it holds when the machine is killed, byte by byte as it was written.
const (
	ramBytes      = 64 << 20
	firmwareAt    = ramBytes
	firmwareBytes = 16 << 20
	overlayAt     = firmwareAt + firmwareBytes
	norBytes      = 16 << 20
	nandBytes     = 32 << 20
	norErase      = 64 << 10
	nandErase     = 128 << 10
	nandPage      = 2 << 10
	memoryBytes   = 128 << 20

	initramfsAt = 48 << 20           // above the kernel, in the memory that it knows of
	kseg0       = 0xffffffff80000000 // where a MIPS kernel sees its first memory
)

// chip is the file of that layout, which outlives the machines that use it.
type chip struct {
	file    *os.File
	system  string // jffs2 or ubifs
	overlay int64  // bytes of the partition that the router writes
	erase   int64  // bytes that are erased at once
}

// newChip makes a flash with the firmware in it and the rest erased, or what it
// holds when it leaves the factory.
func newChip(path, system string, p parts) (*chip, error) {
	image, err := os.ReadFile(p.firmware)
	if err != nil {
		return nil, err
	}
	var factory []byte
	c := &chip{system: system, overlay: norBytes, erase: norErase}
	if system == "ubifs" {
		c.overlay, c.erase = nandBytes, nandErase
		if factory, err = os.ReadFile(p.ubi); err != nil {
			return nil, err
		}
	}
	if len(image) > firmwareBytes {
		return nil, fmt.Errorf("%s has %d bytes; the firmware partition has %d", p.firmware, len(image), firmwareBytes)
	}
	if c.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, err
	}
	if err := c.file.Truncate(memoryBytes); err != nil {
		return nil, err
	}
	if _, err := c.file.WriteAt(image, firmwareAt); err != nil {
		return nil, err
	}
	erased := bytes.Repeat([]byte{0xff}, int(c.overlay)-len(factory))
	_, err = c.file.WriteAt(append(factory, erased...), overlayAt)
	return c, err
}

// beNAND has the running kernel take the partition for one with pages. phram, the
// only driver whose flash outlives a power cut here, says that it writes single
// bytes, and nothing of its buffer, with which UBI does not begin. So two numbers
// are set in the driver's description of the partition (struct mtd_info), which
// is found by what stands before them: type and flags of a MTD_RAM, size, erase size.
func (c *chip) beNAND() error {
	memory := make([]byte, ramBytes)
	if _, err := c.file.ReadAt(memory, 0); err != nil {
		return err
	}
	const typeRAM, flagsRAM, writeSize = 1, 0x1c00, 1
	description := binary.LittleEndian.AppendUint32(nil, typeRAM)
	description = binary.LittleEndian.AppendUint32(description, flagsRAM)
	description = binary.LittleEndian.AppendUint64(description, uint64(c.overlay))
	description = binary.LittleEndian.AppendUint32(description, uint32(c.erase))
	at := len(description)
	description = binary.LittleEndian.AppendUint64(description, writeSize) // and no buffer
	found := bytes.Index(memory, description)
	if found < 0 || bytes.Contains(memory[found+1:], description) {
		return errors.New("the flash's description is not found in the kernel's memory; is it another kernel?")
	}
	pages := binary.LittleEndian.AppendUint32(nil, nandPage)
	_, err := c.file.WriteAt(append(pages, pages...), int64(found+at))
	return err
}

// read reads the partition that the router writes into buf.
func (c *chip) read(buf []byte) error {
	_, err := c.file.ReadAt(buf, overlayAt)
	return err
}

// waitForWrite returns as soon as a byte of the overlay is not what it was.
func (c *chip) waitForWrite(limit time.Duration) error {
	before, now := make([]byte, c.overlay), make([]byte, c.overlay)
	if err := c.read(before); err != nil {
		return err
	}
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if err := c.read(now); err != nil {
			return err
		}
		if !bytes.Equal(before, now) {
			return nil
		}
	}
	return fmt.Errorf("nothing was written to the flash in %v", limit)
}

// processor runs the same 32-bit kernel and binary as a router's 24Kc, and has 64
// entries in its TLB where that has 16. qemu fills a TLB by emulated exceptions:
// with 16, the import of 200,000 names took more than five minutes, not one.
const processor = "MIPS64R2-generic"

// machine is one power cycle of the router: from newMachine to cutPower.
type machine struct {
	qemu    *exec.Cmd
	started time.Time
	in      io.WriteCloser
	lines   chan string // of the serial line; closed when the machine is off
	dnsPort int         // on 127.0.0.1, forwarded to the router's port 53
	trace   io.Writer   // everything that is said on the serial line
}

// bootWait is how long the kernel may take to its shell; 3 s on an idle machine.
const bootWait = 3 * time.Minute

// newMachine switches the router on and waits for its shell.
func newMachine(p parts, c *chip, dnsPort int, trace io.Writer) (*machine, error) {
	m := &machine{dnsPort: dnsPort, lines: make(chan string, 1024), trace: trace, started: time.Now()}
	initramfs, err := os.Stat(p.initramfs)
	if err != nil {
		return nil, err
	}
	m.qemu = exec.Command("nice", "qemu-system-mips64el", "-M", "malta,memory-backend=memory", "-cpu", processor,
		"-m", strconv.Itoa(memoryBytes>>20),
		"-object", fmt.Sprintf("memory-backend-file,id=memory,size=%d,mem-path=%s,share=on", memoryBytes, c.file.Name()),
		// The initramfs goes where the kernel may have it: qemu's own -initrd puts it behind the flash.
		"-kernel", p.kernel, "-device", fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", p.initramfs, initramfsAt),
		"-append", fmt.Sprintf("rd_start=%#x rd_size=%d console=ttyS0 mem=64M nokaslr panic=-1 rdinit=/init overlay=%s,%#x,%#x", uint64(kseg0+initramfsAt), initramfs.Size(), c.system, c.overlay, c.erase),
		"-nodefaults", "-vga", "none", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-netdev", fmt.Sprintf("user,id=n0,hostfwd=udp:127.0.0.1:%d-:53", dnsPort), "-device", "pcnet,romfile=,netdev=n0")
	out, err := m.qemu.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if m.in, err = m.qemu.StdinPipe(); err != nil {
		return nil, err
	}
	m.qemu.Stderr = os.Stderr
	if err := m.qemu.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			line := strings.TrimRight(s.Text(), "\r")
			fmt.Fprintf(trace, "%6.1f %s\n", time.Since(m.started).Seconds(), line)
			m.lines <- line
		}
	}()
	if c.system == "ubifs" {
		if _, err = m.until("=flash", bootWait); err == nil {
			err = errors.Join(c.beNAND(), m.send(""))
		}
	}
	if err == nil {
		_, err = m.until("=ready", bootWait)
	}
	if err != nil {
		m.cutPower()
		return nil, fmt.Errorf("the router did not come up: %w", err)
	}
	return m, nil
}

// until reads the serial line up to a line that begins with mark, and gives back
// what came before it and that line last.
func (m *machine) until(mark string, limit time.Duration) ([]string, error) {
	var said []string
	late := time.After(limit)
	for {
		select {
		case line, on := <-m.lines:
			if !on {
				return said, fmt.Errorf("the router went off before %q", mark)
			}
			said = append(said, line)
			if strings.HasPrefix(line, "=failed") || strings.Contains(line, "Kernel panic") {
				return said, fmt.Errorf("the router says %q", line)
			}
			if strings.HasPrefix(line, mark) {
				return said, nil
			}
		case <-late:
			return said, fmt.Errorf("no %q from the router in %v", mark, limit)
		}
	}
}

// send types a line.
func (m *machine) send(line string) error {
	_, err := fmt.Fprintln(m.in, line)
	return err
}

// run types a command, waits for its end and gives back what it said. It fails
// if the command does.
func (m *machine) run(limit time.Duration, command string) (string, error) {
	if err := m.send("{ " + command + "\n} 2>&1; echo \"=exit $?\""); err != nil {
		return "", err
	}
	said, err := m.until("=exit ", limit)
	text := strings.Join(said, "\n")
	if err != nil {
		return text, fmt.Errorf("%s: %w", command, err)
	}
	text = strings.Join(said[:len(said)-1], "\n")
	if code := said[len(said)-1]; code != "=exit 0" {
		return text, fmt.Errorf("%s: %s: %s", command, strings.TrimPrefix(code, "="), text)
	}
	return text, nil
}

// cutPower ends the machine between two instructions. The flash keeps what was
// written until then.
func (m *machine) cutPower() { m.cutPowerAfter("=") }

// cutPowerAfter is cutPower, and counts the lines that begin with mark and were
// said before it.
func (m *machine) cutPowerAfter(mark string) (lines int) {
	m.qemu.Process.Kill()
	for line := range m.lines {
		if strings.HasPrefix(line, mark) {
			lines++
		}
	}
	m.qemu.Wait()
	return lines
}
