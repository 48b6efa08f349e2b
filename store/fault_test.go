package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// filled makes a file with small values, nested buckets, a table and a large
// value in it.
func filled(t testing.TB, path string) *File {
	t.Helper()
	f := open(t, path, Options{})
	err := f.Update(func(tx *Tx) error {
		for i := range 300 {
			if err := tx.Bucket("people").Put(fmt.Appendf(nil, "person %d", i), pattern(i)); err != nil {
				return err
			}
		}
		return tx.Bucket("a", "b", "c").Put([]byte("k"), []byte("v"))
	})
	if err == nil {
		err = f.WriteLarge("snapshot", func(w io.Writer) error { _, err := w.Write(pattern(300_000)); return err }, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "people", "ana", "9")
	return f
}

// readAll reads everything in a file, and tells whether it is what filled wrote.
func readAll(f *File) error {
	return f.View(func(tx *Tx) error {
		n := 0
		if err := tx.Bucket("people").Each(nil, func(_, _ []byte) bool { n++; return true }); err != nil {
			return err
		}
		if n != 301 {
			return fmt.Errorf("%d people", n)
		}
		return nil
	})
}

// TestTruncated cuts a file at many places. Whatever is left, opening it ends
// neither the process nor in a panic.
func TestTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	filled(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	step := len(whole) / 150
	if testing.Short() {
		step = len(whole) / 20
	}
	for size := 0; size < len(whole); size += step {
		dir := t.TempDir()
		cut := filepath.Join(dir, "a.db")
		os.WriteFile(cut, whole[:size], 0o600)
		f, err := Open(cut, Options{})
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
		r := f.Recovered()
		if r == nil {
			if err := readAll(f); err != nil {
				t.Errorf("cut to %d bytes, taken for sound: %v", size, err)
			}
			continue
		}
		kept, err := os.ReadFile(r.KeptAs)
		if err != nil || !bytes.Equal(kept, whole[:size]) {
			t.Errorf("cut to %d bytes: the damaged file was not kept: %v", size, err)
		}
		put(t, f, "people", "ana", "10") // it works again
		want(t, "from a backup", r.FromBackup, false)
	}
}

// TestRecoveredByAnother: what one process found, the other can tell, until
// somebody has looked; a file that is made again keeps no note.
func TestRecoveredByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	daemon := filled(t, path)
	want(t, "of a sound file", daemon.WasRecovered(), false)
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	if open(t, path, Options{}).Recovered() == nil {
		t.Fatal("the damage was not found")
	}
	want(t, "Recovered of the one that was open", daemon.Recovered() == nil, true)
	want(t, "after the other's recovery", daemon.WasRecovered(), true)
	want(t, "after a restart", open(t, path, Options{}).WasRecovered(), true)
	if err := daemon.Looked(); err != nil {
		t.Fatal(err)
	}
	want(t, "after a look", open(t, path, Options{}).WasRecovered(), false)
	if err := daemon.Looked(); err != nil {
		t.Errorf("a second look: %v", err)
	}
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	want(t, "of a disposable file", open(t, path, Options{Disposable: true}).WasRecovered(), false)
}

// TestGarbage writes random bytes over a file. Structure that bbolt would follow
// has to be found out by check; a value by its checksum.
func TestGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	filled(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	random := rand.New(rand.NewSource(1))
	found := 0
	for i := range rounds {
		broken := slices.Clone(whole)
		for range 1 + random.Intn(20) {
			at := random.Intn(len(broken)) // anywhere
			if random.Intn(2) == 0 {
				at = random.Intn(len(broken)/pageSize)*pageSize + random.Intn(64) // in a page's head
			}
			broken[at] = byte(random.Intn(256))
		}
		file := filepath.Join(t.TempDir(), "a.db")
		os.WriteFile(file, broken, 0o600)
		f, err := Open(file, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if f.Recovered() != nil {
			found++
			continue
		}
		var damage *DamageError
		if err := readAll(f); err != nil && !errors.As(err, &damage) && !strings.HasSuffix(err.Error(), " people") {
			t.Errorf("round %d: %v", i, err)
		}
		if _, err := f.ReadLarge("snapshot"); err != nil && !errors.As(err, &damage) {
			t.Errorf("round %d: %v", i, err)
		}
	}
	if found < rounds/4 {
		t.Errorf("only %d of %d damaged files were found out", found, rounds)
	}
}

func FuzzCheck(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.db")
	file := open(f, path, Options{})
	put(f, file, "people", "ana", "9")
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:9000])
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "a.db")
		os.WriteFile(path, content, 0o600)
		if checkFile(path) != nil {
			return
		}
		opened, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = opened.View(func(tx *Tx) error {
			return tx.Bucket("people").Each(nil, func(_, _ []byte) bool { return true })
		})
		if damage := (*DamageError)(nil); err != nil && !errors.As(err, &damage) {
			t.Fatal(err)
		}
	})
}

func TestRecoverFromBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	f := filled(t, path)
	if err := f.SaveBackup(); err != nil {
		t.Fatal(err)
	}
	put(t, f, "people", "ana", "after the backup")
	for n := 1; n <= keptBad+2; n++ {
		os.WriteFile(path, fmt.Appendf(nil, "garbage %d", n), 0o600)
		f = open(t, path, Options{})
		r := f.Recovered()
		if r == nil || !r.FromBackup {
			t.Fatal(r)
		}
		want(t, "kept as", r.KeptAs, fmt.Sprintf("%s.bad-%d", path, min(n, keptBad)))
		want(t, "ana", get(t, f, "people", "ana"), "9")
		if err := readAll(f); err != nil {
			t.Error(err)
		}
		if value, err := f.ReadLarge("snapshot"); err != nil || !bytes.Equal(value, pattern(300_000)) {
			t.Error("the large value did not survive: ", err)
		}
	}
	if bad, _ := filepath.Glob(path + ".bad-*"); len(bad) != keptBad {
		t.Error("kept aside: ", bad)
	}
	oldest, _ := os.ReadFile(path + ".bad-1")
	want(t, "the oldest kept", string(oldest), "garbage 3")

	os.WriteFile(path+".new-1", nil, 0o600) // a writer was killed
	os.WriteFile(path+".backup.new-1", nil, 0o600)
	f = open(t, path, Options{})
	if left, _ := filepath.Glob(path + "*new*"); left != nil {
		t.Error("left behind: ", left)
	}
	os.Remove(path)
	f = open(t, path, Options{})
	if r := f.Recovered(); r == nil || !strings.Contains(r.String(), "it was missing; started again from the last backup") {
		t.Error(r)
	}
	want(t, "ana", get(t, f, "people", "ana"), "9")
	os.WriteFile(f.backupPath(), []byte("no backup"), 0o600)
	os.WriteFile(path, []byte("no database"), 0o600)
	f = open(t, path, Options{})
	want(t, "from a damaged backup", f.Recovered().FromBackup, false)

	if err := f.Erase(); err != nil {
		t.Fatal(err)
	}
	want(t, "after Erase", get(t, f, "people", "ana"), "")
	left, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range left {
		if e.Name() != "a.db" && e.Name() != "a.db.lock" {
			t.Error("left after Erase: ", e.Name())
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	f := filled(t, path)
	var whole bytes.Buffer
	if err := f.Backup(&whole); err != nil {
		t.Fatal(err)
	}
	try := func(what string, backup []byte) {
		if err := f.Restore(bytes.NewReader(backup), nil); !errors.Is(err, ErrBackup) {
			t.Errorf("%s: %v", what, err)
		}
		want(t, "after "+what, get(t, f, "people", "ana"), "9")
	}
	for size := 0; size < whole.Len(); size += whole.Len() / 15 {
		try(fmt.Sprint("cut to ", size), whole.Bytes()[:size])
	}
	flipped := slices.Clone(whole.Bytes())
	flipped[len(flipped)/2] ^= 1
	try("one bit", flipped)
	try("HTML", []byte("<!doctype html>"))
	try("a bomb", append([]byte(backupMagic), 'b', 0xff, 0xff, 0xff, 0xff, 0x7f))
	if err := f.Restore(&whole, nil); err != nil {
		t.Error(err)
	}
	if err := readAll(f); err != nil {
		t.Error(err)
	}
}

// FuzzRestore: whatever is handed in, the file is the old one or a whole new one.
func FuzzRestore(f *testing.F) {
	file := open(f, filepath.Join(f.TempDir(), "a.db"), Options{})
	put(f, file, "people", "ana", "9")
	var whole bytes.Buffer
	if err := file.Backup(&whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte(backupMagic + "b\x01av\x01k\x01ve."))
	f.Fuzz(func(t *testing.T, backup []byte) {
		err := file.Restore(bytes.NewReader(backup), nil)
		if err != nil && !errors.Is(err, ErrBackup) {
			t.Log(err)
		}
		if checkFile(file.Path()) != nil {
			t.Fatal("the file is damaged")
		}
	})
}

// TestReplaceStops ends a Replace at every transaction. Until the last, what was
// there is there, and the next Replace clears up.
func TestReplaceStops(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "a.db"), Options{})
	value := func(n byte) []byte { return bytes.Repeat([]byte{n}, 100<<10) }
	write := func(n byte, stop int) error {
		return f.Replace("t", func(put func(k, v []byte) error) error {
			for i := range 8 {
				if i == stop {
					return io.ErrClosedPipe
				}
				if err := put([]byte{byte(i)}, value(n)); err != nil {
					return err
				}
			}
			return nil
		}, func(*Tx) error {
			if stop == 8 {
				return io.ErrClosedPipe
			}
			return nil
		})
	}
	holds := func(n byte) {
		t.Helper()
		f.View(func(tx *Tx) error {
			count := 0
			err := tx.Table("t").Each(nil, func(_, v []byte) bool {
				if !bytes.Equal(v, value(n)) {
					t.Errorf("holds %d, want %d", v[0], n)
				}
				count++
				return true
			})
			want(t, "values", count, 8)
			return err
		})
	}
	if err := write(1, -1); err != nil {
		t.Fatal(err)
	}
	for stop := 0; stop <= 8; stop++ {
		want(t, "error", write(2, stop), error(io.ErrClosedPipe))
		holds(1)
	}
	if err := write(3, -1); err != nil {
		t.Fatal(err)
	}
	holds(3)
	f.View(func(tx *Tx) error {
		generations, err := tx.Bucket(tables, "t").Buckets()
		want(t, "generations", len(generations), 1)
		return err
	})
}

// TestKilled ends a process by SIGKILL while it replaces a large value, again
// and again, at whatever point that is.
func TestKilled(t *testing.T) {
	if path := os.Getenv("TREEHOUSE_TEST_KILLED"); path != "" {
		killMe(path)
	}
	path := filepath.Join(t.TempDir(), "a.db")
	f := open(t, path, Options{})
	rounds := 15
	if testing.Short() {
		rounds = 3
	}
	random := rand.New(rand.NewSource(2))
	for range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "TREEHOUSE_TEST_KILLED="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Skip("no child process here: ", err)
		}
		// Each byte is a step of the child: no clock says when to kill.
		io.ReadFull(out, make([]byte, 1+random.Intn(60)))
		child.Process.Kill()
		child.Wait()
		if open(t, path, Options{}).Recovered() != nil {
			t.Fatal("a killed process damaged the file")
		}
		value, err := f.ReadLarge("v")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range value {
			if c != value[0] {
				t.Fatal("a mix of two values")
			}
		}
		if len(value) > 0 {
			want(t, "written with it", get(t, f, "meta", "which"), fmt.Sprint(value[0]))
		}
	}
}

// killMe replaces one value by another for ever, and says so at each step.
func killMe(path string) {
	f, err := Open(path, Options{})
	for n := byte(0); err == nil; n++ {
		err = f.WriteLarge("v", func(w io.Writer) error {
			for range 5 {
				if _, err := w.Write(bytes.Repeat([]byte{n}, 150<<10)); err != nil {
					return err
				}
				os.Stdout.Write([]byte{'.'})
			}
			return nil
		}, func(tx *Tx) error { return tx.Bucket("meta").Put([]byte("which"), fmt.Append(nil, n)) })
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestShadow keeps a file where it cannot be mapped.
func TestShadow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	opt := Options{Scratch: t.TempDir(), Mappable: func(string) error { return syscall.EINVAL }}
	f := open(t, path, opt)
	want(t, "shadowed", f.Shadowed(), true)
	put(t, f, "people", "ana", "9")
	before, _ := os.Stat(path)
	err := f.Update(func(tx *Tx) error {
		tx.Bucket("people").Put([]byte("ana"), []byte("99"))
		return io.ErrClosedPipe
	})
	want(t, "error", err, error(io.ErrClosedPipe))
	after, _ := os.Stat(path)
	if !os.SameFile(before, after) {
		t.Error("an Update that failed wrote the file")
	}
	written := f.BytesWritten()
	if err := f.WriteLarge("v", func(w io.Writer) error { _, err := w.Write(pattern(1 << 20)); return err }, nil); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(path)
	want(t, "one large value is one write of the file", f.BytesWritten()-written, uint64(info.Size()))
	want(t, "ana", get(t, open(t, path, Options{}), "people", "ana"), "9") // the truth is in the file
	if value, err := f.ReadLarge("v"); err != nil || !bytes.Equal(value, pattern(1<<20)) {
		t.Error("the large value is another: ", err)
	}
	left, _ := os.ReadDir(opt.Scratch)
	want(t, "files left in memory", len(left), 0)

	// Another file system comes in the place of the one there was.
	var flash error
	opt.Mappable = func(string) error { return flash }
	f = open(t, path, opt)
	put(t, f, "people", "ana", "10")
	flash = syscall.EINVAL
	before, _ = os.Stat(path)
	put(t, f, "people", "ana", "11")
	if after, _ := os.Stat(path); os.SameFile(before, after) {
		t.Error("a file that cannot be mapped any more was mapped")
	}
	want(t, "ana", get(t, f, "people", "ana"), "11")
}

// TestDiskFull fills a small disk: the change fails with a sentence, what was
// there stays.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skip("no small disk here: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	f := open(t, filepath.Join(dir, "a.db"), Options{})
	put(t, f, "people", "ana", "9")
	err := f.WriteLarge("v", func(w io.Writer) error { _, err := w.Write(pattern(1 << 20)); return err }, nil)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full") {
		t.Error(err)
	}
	want(t, "ana", get(t, f, "people", "ana"), "9")
	if v, err := f.ReadLarge("v"); v != nil || err != nil {
		t.Error("there is half a value: ", err)
	}
	if open(t, f.Path(), Options{}).Recovered() != nil {
		t.Error("a full disk damaged the file")
	}

	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	want(t, "ana on a read-only disk", get(t, open(t, f.Path(), Options{}), "people", "ana"), "9")
	err = f.Update(func(*Tx) error { return nil })
	if !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(dir, "new.db"), Options{}); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

// TestSentences shows what people read.
func TestSentences(t *testing.T) {
	dir := t.TempDir()
	swapped := make([]byte, 64<<10)
	source := open(t, filepath.Join(dir, "source.db"), Options{})
	whole, _ := os.ReadFile(source.Path())
	copy(swapped, whole)
	for i := 16; i < 96; i += 4 { // as the other byte order writes it, as far as that is looked at
		slices.Reverse(swapped[i : i+4])
	}
	for i := pageSize + 16; i < pageSize+96; i += 4 {
		slices.Reverse(swapped[i : i+4])
	}
	for what, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":            {nil, "it is empty"},
		"short":            {[]byte("hello"), "it has only 5 bytes"},
		"a page":           {bytes.Repeat([]byte("<html> "), 10_000), "it is no database"},
		"another CPU's":    {swapped, "other byte order"},
		"truncated":        {whole[:2*pageSize], "it ends at byte 8192 of 16384"},
		"its end in zeros": {append(slices.Clone(whole[:2*pageSize]), make([]byte, 2*pageSize)...), "holds page 0"},
	} {
		path := filepath.Join(dir, "bad.db")
		os.WriteFile(path, c.content, 0o600)
		f := open(t, path, Options{})
		if r := f.Recovered(); r == nil || !strings.Contains(r.String(), c.want) {
			t.Errorf("%s: %v, want %q", what, r, c.want)
		}
	}
	if os.Getuid() == 0 {
		return // who may do everything learns nothing of permissions
	}
	os.Chmod(source.Path(), 0)
	if _, err := Open(source.Path(), Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Error(err)
	}
}

// TestCheck: it tells what is wrong and changes nothing.
func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := Check(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("it made %v", left)
	}
	if _, err := Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Check(path); err != nil {
		t.Errorf("a new file: %v", err)
	}
	if err := os.Truncate(path, 3*pageSize+1); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if err := Check(path); !errors.As(err, &damage) {
		t.Errorf("a truncated file: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 3*pageSize+1 {
		t.Errorf("it was repaired: %v %v", info, err)
	}
}

// TestBackupElsewhere is a file in memory whose backup is on a disk: it is there
// again when the memory is not, and readers are not kept out meanwhile.
func TestBackupElsewhere(t *testing.T) {
	path, backup := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "kept", "a.kept")
	opt := Options{Backup: backup, Disposable: true}
	filled(t, path)
	f := open(t, path, opt)
	want(t, "nothing is backed up", string(f.BackedUp("people", "ana")), "")
	left := func(table string) bool {
		if _, err := Open(path, Options{Backup: backup, Wait: 1}); err != nil {
			t.Error("a reader is kept out: ", err)
		}
		return table == "names"
	}
	err := f.Replace("names", func(put func(k, v []byte) error) error { return put([]byte("k"), []byte("v")) }, nil)
	if err == nil {
		err = f.SaveBackupWithout(t.Context(), left, 1<<20, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(backup)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "only the backup counts as written", f.BytesWritten(), uint64(info.Size()))
	want(t, "ana, backed up", string(f.BackedUp("people", "ana")), "9")
	want(t, "nobody, backed up", string(f.BackedUp("people", "nobody")), "")
	want(t, "no bucket", string(f.BackedUp("zoo", "ana")), "")

	os.Remove(path)
	f = open(t, path, opt)
	if r := f.Recovered(); r != nil {
		t.Error("this is no damage: ", r)
	}
	if err := readAll(f); err != nil {
		t.Error(err)
	}
	f.View(func(tx *Tx) error {
		names, err := tx.Tables()
		want(t, "tables", fmt.Sprint(names, err), "[snapshot] <nil>")
		return nil
	})
	if err := f.SaveBackupWithout(t.Context(), nil, info.Size()-1, 0); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := f.SaveBackupWithout(ended, nil, 1<<20, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	want(t, "ana, still backed up", string(f.BackedUp("people", "ana")), "9")
}
