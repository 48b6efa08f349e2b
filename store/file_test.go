package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t testing.TB, path string, opt Options) *File {
	t.Helper()
	f, err := Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t testing.TB, f *File, bucket, key, value string) {
	t.Helper()
	if err := f.Update(func(tx *Tx) error { return tx.Bucket(bucket).Put([]byte(key), []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, f *File, bucket, key string) (value string) {
	t.Helper()
	err := f.View(func(tx *Tx) error {
		v, err := tx.Bucket(bucket).Get([]byte(key))
		value = string(v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "household.db")
	f := open(t, path, Options{})
	want(t, "before the first Put", get(t, f, "people", "ana"), "")
	put(t, f, "people", "ana", "9")
	put(t, f, "people", "ben", "14")
	want(t, "ana", get(t, f, "people", "ana"), "9")
	want(t, "another process", get(t, open(t, path, Options{}), "people", "ben"), "14")
	if f.Recovered() != nil {
		t.Error("a new file was recovered from something")
	}
	if f.BytesWritten() == 0 {
		t.Error("no bytes were counted")
	}
	for p, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, path + ".lock": 0o600} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		want(t, p, info.Mode().Perm(), mode)
	}

	wrong := errors.New("no")
	err := f.Update(func(tx *Tx) error {
		tx.Bucket("people").Put([]byte("ana"), []byte("99"))
		return wrong
	})
	want(t, "the caller's error", err, wrong)
	want(t, "ana after an Update that failed", get(t, f, "people", "ana"), "9")
}

func TestBucket(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "a.db"), Options{})
	err := f.Update(func(tx *Tx) error {
		b := tx.Bucket("a", "b")
		for i := range 10 {
			if err := b.Put([]byte{byte(i * 2)}, fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		return b.Delete([]byte{4})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = f.View(func(tx *Tx) error {
		b := tx.Bucket("a", "b")
		for _, c := range []struct {
			key  byte
			want int
		}{{0, 0}, {1, 0}, {2, 2}, {4, 2}, {5, 2}, {6, 6}, {18, 18}, {200, 18}} {
			at, _, err := b.Floor([]byte{c.key})
			if err != nil {
				return err
			}
			want(t, fmt.Sprint("floor of ", c.key), int(at[0]), c.want)
		}
		n := 0
		err := b.Each([]byte{3}, func(k, v []byte) bool { n++; return n < 5 })
		want(t, "values seen", n, 5)
		names, _ := tx.Bucket("a").Buckets()
		want(t, "buckets", fmt.Sprint(names), "[b]")
		if err := tx.Bucket("a").Put([]byte("x"), nil); err == nil {
			t.Error("a View could write")
		}
		if _, err := tx.Bucket("~tables").Get([]byte("x")); err != nil {
			return err
		}
		if _, err := tx.Bucket("").Get([]byte("x")); err == nil {
			t.Error("a bucket without a name")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Update(func(tx *Tx) error { return tx.Bucket("a", "b").Clear() }); err != nil {
		t.Fatal(err)
	}
	f.View(func(tx *Tx) error {
		if at, _, _ := tx.Bucket("a", "b").Floor([]byte{200}); at != nil {
			t.Error("something is left after Clear")
		}
		return nil
	})
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	f := open(t, path, Options{Wait: 20 * time.Millisecond})
	other := open(t, path, Options{})
	err := other.Update(func(*Tx) error {
		var locked *LockedError
		if err := f.Update(func(*Tx) error { return nil }); !errors.As(err, &locked) {
			t.Errorf("Update beside an Update: %v", err)
		}
		if err := f.View(func(*Tx) error { return nil }); !errors.As(err, &locked) {
			t.Errorf("View beside an Update: %v", err)
		}
		if _, err := Open(path, Options{Wait: time.Millisecond}); !errors.As(err, &locked) {
			t.Errorf("Open beside an Update: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = other.View(func(*Tx) error { return f.View(func(*Tx) error { return nil }) })
	if err != nil {
		t.Errorf("View beside a View: %v", err)
	}
}

func TestWatch(t *testing.T) {
	for mode, poll := range map[string]time.Duration{"kernel": time.Hour, "poll": time.Millisecond} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			f := open(t, path, Options{Poll: poll})
			if mode == "poll" {
				f.events = func(string) (<-chan struct{}, func()) { return nil, func() {} }
			}
			other := open(t, path, Options{})
			ctx, cancel := context.WithCancel(context.Background())
			changed := f.Watch(ctx)
			put(t, other, "a", "b", "c")
			<-changed
			var backup bytes.Buffer
			if err := other.Backup(&backup); err != nil {
				t.Fatal(err)
			}
			if err := other.Restore(&backup, nil); err != nil {
				t.Fatal(err)
			}
			<-changed
			cancel()
			for range changed {
			}
		})
	}
}

func TestLarge(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "a.db"), Options{})
	read := func() []byte {
		t.Helper()
		got, err := f.ReadLarge("snapshot")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if read() != nil {
		t.Error("a value before the first")
	}
	for _, size := range []int{1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 1_000_003, 5_000_000, 0} {
		value := pattern(size)
		err := f.WriteLarge("snapshot", func(w io.Writer) error {
			for rest := value; len(rest) > 0; {
				n := min(len(rest), 70_001)
				if _, err := w.Write(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		}, func(tx *Tx) error { return tx.Bucket("meta").Put([]byte("size"), fmt.Append(nil, size)) })
		if err != nil {
			t.Fatal(err)
		}
		got := read()
		if !bytes.Equal(got, value) || cap(got) != size {
			t.Errorf("size %d: got %d bytes, capacity %d", size, len(got), cap(got))
		}
		want(t, "written with it", get(t, f, "meta", "size"), fmt.Sprint(size))
	}
}

func pattern(size int) []byte {
	b := make([]byte, size)
	x := uint32(size)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func BenchmarkView(b *testing.B) {
	f := open(b, filepath.Join(b.TempDir(), "a.db"), Options{})
	put(b, f, "people", "ana", "9")
	for b.Loop() {
		get(b, f, "people", "ana")
	}
}

func BenchmarkUpdate(b *testing.B) {
	f := open(b, filepath.Join(b.TempDir(), "a.db"), Options{})
	for b.Loop() {
		put(b, f, "people", "ana", "9")
	}
	b.ReportMetric(float64(f.BytesWritten())/float64(b.N), "written-B/op")
}
