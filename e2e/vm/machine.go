package main

import (
	"bufio"
	"bytes"
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
	overlayBytes  = 16 << 20
	memoryBytes   = 128 << 20

	initramfsAt = 48 << 20           // above the kernel, in the memory that it knows of
	kseg0       = 0xffffffff80000000 // where a MIPS kernel sees its first memory
)

// chip is the file of that layout, which outlives the machines that use it.
type chip struct{ file *os.File }

// newChip makes a flash with the firmware in it and the rest erased.
func newChip(path, firmware string) (*chip, error) {
	image, err := os.ReadFile(firmware)
	if err != nil {
		return nil, err
	}
	if len(image) > firmwareBytes {
		return nil, fmt.Errorf("%s has %d bytes; the firmware partition has %d", firmware, len(image), firmwareBytes)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(memoryBytes); err != nil {
		return nil, err
	}
	if _, err := file.WriteAt(image, firmwareAt); err != nil {
		return nil, err
	}
	_, err = file.WriteAt(bytes.Repeat([]byte{0xff}, overlayBytes), overlayAt)
	return &chip{file}, err
}

// overlay reads the partition that the router writes into buf.
func (c *chip) overlay(buf []byte) error {
	_, err := c.file.ReadAt(buf, overlayAt)
	return err
}

// waitForWrite returns as soon as a byte of the overlay is not what it was.
func (c *chip) waitForWrite(limit time.Duration) error {
	before, now := make([]byte, overlayBytes), make([]byte, overlayBytes)
	if err := c.overlay(before); err != nil {
		return err
	}
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if err := c.overlay(now); err != nil {
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
const bootWait = 90 * time.Second

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
		"-append", fmt.Sprintf("rd_start=%#x rd_size=%d console=ttyS0 mem=64M panic=-1 rdinit=/init", uint64(kseg0+initramfsAt), initramfs.Size()),
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
	if _, err := m.until("=ready", bootWait); err != nil {
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
