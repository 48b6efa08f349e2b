package blocklists

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/store"
)

// keptHome is a home whose lists are in memory.
type keptHome struct {
	t        *testing.T
	ram, dir string // the first is gone after a reboot
	now      time.Time
	most     int64
}

func newKeptHome(t *testing.T) *keptHome {
	return &keptHome{t: t, ram: filepath.Join(t.TempDir(), "ram"), dir: t.TempDir(), now: testNow, most: 1 << 20}
}

func (h *keptHome) kept() string { return filepath.Join(h.dir, "blocklists.kept") }

// boot opens the lists as a program does after a reboot: what was in memory is gone.
func (h *keptHome) boot() *Library {
	h.t.Helper()
	if err := os.RemoveAll(h.ram); err != nil {
		h.t.Fatal(err)
	}
	l, err := Open(h.ram, Options{
		Catalogue: testCatalogue(), Now: func() time.Time { return h.now },
		Temp: h.t.TempDir(), Kept: h.kept(), KeptBytes: h.most,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

// keep wants the copy to be written, or not.
func (h *keptHome) keep(l *Library, wanted bool, why string) {
	h.t.Helper()
	before := l.BytesWritten()
	written, err := l.Keep(h.t.Context())
	if err != nil {
		h.t.Fatal(why, ": ", err)
	}
	want(h.t, why, written, wanted)
	if info, err := os.Stat(h.kept()); wanted && (err != nil || l.BytesWritten()-before != uint64(info.Size())) {
		h.t.Errorf("%s: %d bytes counted for %v (%v)", why, l.BytesWritten()-before, info, err)
	}
	if !wanted && l.BytesWritten() != before {
		h.t.Errorf("%s: %d bytes written", why, l.BytesWritten()-before)
	}
}

// TestKept is a router's life: lists in memory, a reboot without internet, and
// the internet coming back.
func TestKept(t *testing.T) {
	s := newListServer(t)
	h := newKeptHome(t)
	ctx := context.Background()
	l := h.boot()
	h.keep(l, false, "before any list there is nothing to keep")

	s.serve = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, numbered(0, 2000)+"fetched.example\n")
	}
	if err := l.Add(ctx, localSource(s)); err != nil {
		t.Fatal(err)
	}
	want(t, "update", update(t, l, UpdateOptions{}).Outcome, Updated)
	mustImport(t, l, Source{ID: "hand", Topic: "gambling"}, write(t, "hand.txt", "by-hand.example\n"))
	mustBuild(t, l)
	h.keep(l, true, "the first time")
	h.keep(l, false, "nothing new")

	// A reboot, and no internet.
	l = h.boot()
	if r := l.Recovered(); r != nil {
		t.Error("a reboot is no damage: ", r)
	}
	want(t, "fetched", topicsOf(t, l, "www.fetched.example"), "adult")
	want(t, "by hand", topicsOf(t, l, "by-hand.example"), "gambling")
	h.keep(l, false, "after the reboot")
	s.serve = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	want(t, "update without internet", update(t, l, UpdateOptions{}).Outcome, Failed)
	var away *AwayError
	if _, err := l.Build(ctx); !errors.As(err, &away) || away.ID != "local" {
		t.Error("a snapshot was compiled without the names of a source: ", err)
	}
	if problems, err := l.Verify(ctx); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	want(t, "fetched, still", topicsOf(t, l, "www.fetched.example"), "adult")
	want(t, "not hammered", update(t, l, UpdateOptions{}).Outcome, NotDue)

	// A list that has lost a third meanwhile is held, as ever.
	s.text(numbered(0, 1300))
	h.now = h.now.Add(retryAfter)
	want(t, "less than a third", update(t, l, UpdateOptions{}).Outcome, Held)

	// The internet is back: the list is fetched whole, whatever its ETag.
	s.serve = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, numbered(0, 2000)+"news-of-the-day.example\n")
	}
	h.now = h.now.Add(retryAfter)
	want(t, "update with internet", update(t, l, UpdateOptions{}).Outcome, Updated)
	b := mustBuild(t, l)
	want(t, "the number goes on", b.Number, 2)
	want(t, "sources", b.Sources, 2)
	want(t, "news", topicsOf(t, l, "news-of-the-day.example"), "adult")
	want(t, "by hand, compiled again", topicsOf(t, l, "by-hand.example"), "gambling")
	h.keep(l, false, "news, but not a day later")
	h.now = h.now.Add(keepEvery)
	h.keep(l, true, "a day later")

	// What a parent does is kept at once.
	h.now = h.now.Add(time.Second)
	mustImport(t, l, Source{ID: "hand", Topic: "gambling"}, write(t, "hand.txt", "by-hand.example\nthird.example\n"))
	mustBuild(t, l)
	h.keep(l, true, "imported by hand")
	if err := l.Remove(ctx, "local"); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, l)
	h.keep(l, true, "removed")
	l = h.boot()
	want(t, "removed, after a reboot", topicsOf(t, l, "www.fetched.example"), "")
	want(t, "imported, after a reboot", topicsOf(t, l, "third.example"), "gambling")
	mustBuild(t, l) // nothing is away
}

// TestKeptDamaged cuts and flips the copy. Whatever is left, the home is filtered
// by it or by the catalogue, and the next copy is whole.
func TestKeptDamaged(t *testing.T) {
	h := newKeptHome(t)
	l := h.boot()
	mustImport(t, l, Source{ID: "hand", Topic: "gambling"}, write(t, "hand.txt", numbered(0, 500)+"by-hand.example\n"))
	mustBuild(t, l)
	h.keep(l, true, "the first time")
	whole, err := os.ReadFile(h.kept())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewSource(1))
	for n := range 40 {
		bad := append([]byte{}, whole...)
		at := random.Intn(len(bad))
		if n%2 == 0 {
			bad = bad[:at]
		} else {
			bad[at] ^= 1 << random.Intn(8)
		}
		if err := os.WriteFile(h.kept(), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		l = h.boot()
		if r := l.Recovered(); r == nil || r.FromBackup || !strings.Contains(r.String(), h.kept()) {
			t.Fatal("nobody is told: ", r)
		}
		want(t, "by the catalogue", topicsOf(t, l, "core-adult.example"), "adult")
		want(t, "from a damaged copy", topicsOf(t, l, "by-hand.example"), "")
		mustImport(t, l, Source{ID: "hand", Topic: "gambling"}, write(t, "hand.txt", numbered(0, 500)+"by-hand.example\n"))
		mustBuild(t, l)
		h.keep(l, true, "after damage")
		want(t, "after the next reboot", topicsOf(t, h.boot(), "by-hand.example"), "gambling")
	}
	// A router that lost power while it was written.
	if err := os.WriteFile(h.kept()+".new-1", whole[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	l = h.boot()
	want(t, "half a copy beside", topicsOf(t, l, "by-hand.example"), "gambling")
	h.now = h.now.Add(keepEvery)
	mustBuild(t, l)
	h.keep(l, true, "a day later")
	if left, _ := filepath.Glob(h.kept() + ".*"); left != nil {
		t.Error("left behind: ", left)
	}
}

// TestKeptNoRoom: a copy that is too large, or would fill the flash, is not
// written, and the last one stays.
func TestKeptNoRoom(t *testing.T) {
	h := newKeptHome(t)
	if err := syscall.Mount("tmpfs", h.dir, "tmpfs", 0, "size=640k"); err != nil {
		t.Skip("no small disk here: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(h.dir, 0) })
	l := h.boot()
	mustImport(t, l, Source{ID: "hand", Topic: "gambling"}, write(t, "hand.txt", "by-hand.example\n"))
	mustBuild(t, l)
	h.keep(l, true, "a small one")
	h.now = h.now.Add(time.Second)
	mustImport(t, l, Source{ID: "hand", Topic: "gambling"}, write(t, "hand.txt", numbered(0, 40_000)))
	mustBuild(t, l)
	for _, most := range []int64{1 << 30, 50_000} { // by the disk, by what was chosen
		l.opt.KeptBytes = most
		before := l.BytesWritten()
		if _, err := l.Keep(h.t.Context()); !errors.Is(err, store.ErrNoRoom) || !strings.Contains(err.Error(), h.kept()) {
			t.Error(most, ": ", err)
		}
		var disk syscall.Statfs_t
		if err := syscall.Statfs(h.dir, &disk); err != nil || int64(disk.Bavail)*int64(disk.Bsize) < keepSpare {
			t.Error("the family's room was taken: ", disk.Bavail, err)
		}
		want(t, "written in vain, each hour", l.BytesWritten()-before, 0)
	}
	want(t, "the last copy", topicsOf(t, h.boot(), "by-hand.example"), "gambling")
	if err := syscall.Mount("", h.dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	want(t, "read-only", topicsOf(t, h.boot(), "by-hand.example"), "gambling")
}

// twoSources are a list that stays and one whose server can be ended.
func twoSources(t *testing.T, h *keptHome, l *Library) (alive, dead *listServer) {
	alive, dead = newListServer(t), newListServer(t)
	alive.text("news-1.example\n")
	dead.text(numbered(0, 500) + "old.example\n")
	for id, s := range map[string]*listServer{"alive": alive, "dead": dead} {
		source := localSource(s)
		source.ID = id
		if err := l.Add(t.Context(), source); err != nil {
			t.Fatal(err)
		}
	}
	h.updateBoth(l, Updated, Updated)
	mustBuild(t, l)
	h.keep(l, true, "the first time")
	return alive, dead
}

// updateBoth looks at both of twoSources.
func (h *keptHome) updateBoth(l *Library, alive, dead Outcome) {
	h.t.Helper()
	results, err := l.Update(h.t.Context(), UpdateOptions{Now: true})
	if err != nil || len(results) != 2 {
		h.t.Fatal(results, err)
	}
	want(h.t, "alive", results[0].Outcome, alive)
	want(h.t, "dead", results[1].Outcome, dead)
}

func (s *listServer) isGone() {
	s.serve = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }
}

// TestKeptOfTheDead: what cannot be fetched any more is kept with its names, as
// what was imported by hand is, if it has room.
func TestKeptOfTheDead(t *testing.T) {
	h := newKeptHome(t)
	l := h.boot()
	alive, dead := twoSources(t, h, l)
	dead.isGone()
	h.now = h.now.Add(keepEvery)
	alive.text("news-2.example\n")
	h.updateBoth(l, Updated, Failed)
	mustBuild(t, l)
	h.keep(l, true, "a day later")

	l = h.boot()
	h.now = h.now.Add(time.Hour)
	alive.text("news-3.example\n")
	h.updateBoth(l, Updated, Failed)
	b := mustBuild(t, l)
	want(t, "news after the reboot", topicsOf(t, l, "news-3.example"), "adult")
	want(t, "the dead list's names", topicsOf(t, l, "old.example"), "adult")
	want(t, "without", len(b.Without), 0)

	// Without room for its names the copy is as it was without them.
	h.now = h.now.Add(keepEvery)
	alive.text("news-4.example\n")
	h.updateBoth(l, Updated, Failed)
	mustBuild(t, l)
	info, err := os.Stat(h.kept())
	if err != nil {
		t.Fatal(err)
	}
	l.opt.KeptBytes = info.Size() - 100
	h.keep(l, true, "without room for all")
	l = h.boot()
	want(t, "by the snapshot", topicsOf(t, l, "old.example"), "adult")
	want(t, "the news too", topicsOf(t, l, "news-4.example"), "adult")
	var away *AwayError
	if _, err := l.Build(t.Context()); !errors.As(err, &away) {
		t.Error("its names are here after all: ", err)
	}
}

// TestAwayForGood: a list whose server died with the reboot holds the others back
// for awayMost and no longer, and what the home goes without is said.
func TestAwayForGood(t *testing.T) {
	h := newKeptHome(t)
	l := h.boot()
	alive, dead := twoSources(t, h, l)
	aliveServes := alive.serve
	alive.isGone()
	dead.isGone()
	l = h.boot()
	held := func(when string) {
		t.Helper()
		var away *AwayError
		if _, err := l.Build(t.Context()); !errors.As(err, &away) {
			t.Fatal(when, ": compiled without the names of a source: ", err)
		}
		want(t, when, topicsOf(t, l, "old.example"), "adult")
	}
	h.updateBoth(l, Failed, Failed)
	held("at once")
	h.now = h.now.Add(10 * awayMost)
	h.updateBoth(l, Failed, Failed)
	held("without internet, however long")

	// The internet is back, and one of the two.
	h.now = testNow.Add(awayMost - 2*time.Hour)
	alive.serve = aliveServes
	h.updateBoth(l, Updated, Failed)
	held("for a while")
	h.now = testNow.Add(awayMost + time.Hour)
	alive.text("news-2.example\n")
	h.updateBoth(l, Updated, Failed)
	b := mustBuild(t, l)
	want(t, "said", strings.Join(b.Without, " "), "dead")
	want(t, "news", topicsOf(t, l, "news-2.example"), "adult")
	want(t, "gone", topicsOf(t, l, "old.example"), "")

	// Having gone without it once, nothing waits for it any more, nor after a reboot.
	h.keep(l, true, "a week later")
	l = h.boot()
	h.now = h.now.Add(time.Hour)
	alive.text("news-3.example\n")
	h.updateBoth(l, Updated, Failed)
	want(t, "still said", strings.Join(mustBuild(t, l).Without, " "), "dead")

	// It comes back.
	dead.text(numbered(0, 500) + "old.example\n")
	h.now = h.now.Add(retryAfter)
	alive.text("news-4.example\n")
	h.updateBoth(l, Updated, Updated)
	want(t, "no longer said", len(mustBuild(t, l).Without), 0)
	want(t, "back", topicsOf(t, l, "old.example"), "adult")
}

// TestKeptMeanwhile: a daemon writes copies while a parent imports. Each copy is
// whole, and the last one is of the last list.
func TestKeptMeanwhile(t *testing.T) {
	h := newKeptHome(t)
	daemon := h.boot()
	opt, now := daemon.opt, testNow
	opt.Now = func() time.Time { now = now.Add(time.Second); return now }
	parent, err := Open(h.ram, opt)
	if err != nil {
		t.Fatal(err)
	}
	const imports = 10
	done := make(chan error)
	go func() {
		for {
			_, err := daemon.Keep(t.Context())
			if last, e := daemon.LastBuild(); err != nil || e != nil || last.Number == imports {
				done <- errors.Join(err, e)
				return
			}
		}
	}()
	for n := range imports {
		list := write(t, "hand.txt", numbered(0, 100*n)+fmt.Sprintf("last-%d.example\n", n))
		mustImport(t, parent, Source{ID: "hand", Topic: "gambling"}, list)
		mustBuild(t, parent)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := h.boot()
	want(t, "the last list", topicsOf(t, l, fmt.Sprintf("last-%d.example", imports-1)), "gambling")
	problems, err := l.Verify(t.Context())
	want(t, "what was kept", fmt.Sprint(l.Recovered(), problems, err), "<nil> [] <nil>")
}
