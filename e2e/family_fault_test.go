//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/store"
)

// writerFile tells the test binary to be the process that is killed.
const writerFile = "TREEHOUSE_E2E_WRITER"

// TestWriter is no test: it is the process that writes a family's file over and
// over until it is killed.
func TestWriter(t *testing.T) {
	path := os.Getenv(writerFile)
	if path == "" {
		t.Skip("it is run by the stories")
	}
	file, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	family, err := household.Open(file, household.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		// Each change writes two values that say the same: a torn one would show.
		if err := family.Change(func(in *household.Household) error {
			in.Device(1).Hint, in.Device(2).Hint = fmt.Sprint("write ", n), fmt.Sprint("write ", n)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("wrote", n)
	}
}

// killed kills another process in the middle of its writing, so many times, and
// looks at what it leaves.
func (h *house) killed(times int) {
	h.t.Helper()
	for round := range times {
		writer := exec.Command(os.Args[0], "-test.run=^TestWriter$", "-test.v")
		writer.Env = append(os.Environ(), writerFile+"="+h.path)
		out, err := writer.StdoutPipe()
		if err == nil {
			err = writer.Start()
		}
		if err != nil {
			h.fatal("%v", err)
		}
		wrote, lines := 0, bufio.NewScanner(out)
		for wrote <= round && lines.Scan() { // a few writes, and then in the middle of one
			if strings.HasPrefix(lines.Text(), "wrote") {
				wrote++
			}
		}
		for range round * 2000 { // at another point of it each round
			runtime.Gosched()
		}
		_ = writer.Process.Kill()
		_ = writer.Wait()
		h.open()
		if r := h.file.Recovered(); h.err != nil || r != nil || wrote == 0 {
			h.fail("round %d: %v, %v, %d writes", round, h.err, r, wrote)
		}
		if d := h.family.Household().Devices; len(d) != 2 || d[0].Hint != d[1].Hint || d[0].Hint < "write 0" {
			h.fail("round %d: the devices are %+v", round, d)
		}
	}
}

// fullDisk is the size of a disk that is nearly full: room for the file and for
// no change that grows it.
const fullDisk = 192 << 10 // bytes

// movesToFullDisk puts the family's file on a small file system and fills it.
func (h *house) movesToFullDisk() error {
	h.t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		h.t.Skip("a full disk needs a file system of its own, which only root can make")
	}
	dir := h.t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", fullDisk)); err != nil {
		h.t.Skip("no file system can be made here: ", err)
	}
	h.t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	whole, err := os.ReadFile(h.path)
	if err != nil {
		return err
	}
	h.path = filepath.Join(dir, "household.db")
	if err := os.WriteFile(h.path, whole, 0o600); err != nil {
		return err
	}
	h.open()
	rest, err := os.Create(filepath.Join(dir, "rest"))
	if err != nil {
		return err
	}
	defer rest.Close()
	for err == nil {
		_, err = rest.Write(make([]byte, 4096))
	}
	return h.err
}
