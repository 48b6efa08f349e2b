package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// The doctor's tests of this machine and of Treehouse's own files.

// whole tells whether a database can be read; f says why not.
func (d *doctor) whole(path string) (f finding, ok bool) {
	err := store.Check(path)
	var damage *store.DamageError
	switch {
	case err == nil:
		return f, true
	case errors.Is(err, fs.ErrNotExist):
		return toMend("There is no %s yet; start `treehouse serve`, or set storage.dir to where it keeps its files.", path), false
	case errors.As(err, &damage):
		return toMend("%v; restart Treehouse, which takes the last backup or begins anew.", damage), false
	}
	return notTested("%s cannot be read: %s; run the doctor as root.", path, cause(err)), false
}

func (d *doctor) testFamily(context.Context) []finding {
	f, ok := d.whole(filepath.Join(d.config.Storage.Dir, "household.db"))
	if !ok {
		return one(f)
	}
	house, err := d.openFamily()
	if err != nil {
		return one(toMend("The family cannot be read: %v.", err))
	}
	d.house = house
	unassigned := len(house.DevicesOf(0))
	if unassigned > 0 {
		return one(isGood("The file is whole; people: %d, devices: %d, nobody's yet and on the default rules: %d.", len(house.People), len(house.Devices), unassigned))
	}
	return one(isGood("The file is whole; people: %d, devices: %d.", len(house.People), len(house.Devices)))
}

func (d *doctor) testLists(context.Context) []finding {
	f, ok := d.whole(filepath.Join(d.config.Storage.ListsDir, "blocklists.db"))
	if !ok {
		return one(f)
	}
	there, err := d.openLibrary()
	trie, last := there.trie, there.last
	if trie != nil && d.house != nil {
		d.snap = filter.NewSnapshot(trie, nil, d.house.Policies())
	}
	age := d.clock.Now().Sub(last.At)
	switch {
	case err != nil:
		return one(toMend("The lists cannot be read (%v); import or update them again.", err))
	case last.Number == 0:
		return one(toMend("Only the built-in catalogue of %d names is in force; put lists in with `treehouse lists import`, or name sources in lists.sources.", trie.Names()))
	case age > oldLists:
		return one(toMend("The lists are %d days old; `treehouse lists update` says what keeps them from being renewed.", int(age.Hours()/24)))
	}
	all := one(isGood("The file is whole; %d names from %d sources, compiled %d hours ago.", trie.Names(), last.Sources, int(age.Hours())))
	return append(all, d.lookAtSources(there)...)
}

// lookAtSources finds what a list that cannot be fetched does to the others, and
// what the next reboot would.
func (d *doctor) lookAtSources(there listsThere) (all []finding) {
	for _, s := range there.sources {
		switch {
		case !s.Away || !s.Failed:
		case slices.Contains(there.last.Without, s.ID):
			all = append(all, toMend("The names of the list %q are not in force: a reboot came before it could be fetched again, and it still cannot be; correct or remove it in lists.sources, or `treehouse lists remove %[1]s`.", s.ID))
		default:
			all = append(all, toMend("The list %q cannot be fetched since the last reboot, so no news of the others is in force yet; correct its url in lists.sources, or `treehouse lists remove %[1]s`.", s.ID))
		}
	}
	if d.config.Storage.KeepLists > 0 && there.last.At.Sub(there.kept.At) > oldCopy {
		all = append(all, toMend("A reboot without internet would begin with older lists, or none: there is no new copy in %s; make room there, or raise storage.keep_lists.", d.config.Storage.Dir))
	}
	return all
}

// oldCopy is how far the copy of the lists may be behind them: twice the day that
// news waits for it.
const oldCopy = 48 * time.Hour

// testFiles: nobody else may read what a family has set up, and we may write it.
func (d *doctor) testFiles(context.Context) []finding {
	path := filepath.Join(d.config.Storage.Dir, "household.db")
	info, err := os.Stat(path)
	if err != nil {
		return one(notTested("%s cannot be looked at: %s.", path, cause(err)))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return one(toMend("Others on this machine may open %s (mode %04o); run chmod 600 on it.", path, mode))
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return one(toMend("%s cannot be written to (%s), so changes would be lost; run as its owner, or mount the disk writable.", path, cause(err)))
	}
	file.Close()
	return one(isGood("They belong to Treehouse alone and can be written to."))
}

func (d *doctor) testDisk(context.Context) []finding {
	var all []finding
	for _, f := range []struct {
		key, dir string
		least    uint64
	}{{"storage.dir", d.config.Storage.Dir, leastStorage}, {"storage.runtime_dir", d.config.Storage.RuntimeDir, leastRuntime}} {
		switch bytes, err := d.free(f.dir); {
		case err != nil:
			all = append(all, notTested("The space in %s cannot be told: %s.", f.dir, cause(err)))
		case bytes < f.least:
			all = append(all, toMend("%s (%s) has %d KiB left and wants %d; free some space or choose another folder.", f.dir, f.key, bytes>>10, f.least>>10))
		default:
			all = append(all, isGood("%s (%s) has %d MiB left.", f.dir, f.key, bytes>>20))
		}
	}
	return all
}

func (d *doctor) testMemory(context.Context) []finding {
	text, err := d.read("/proc/meminfo")
	if err != nil {
		return one(notTested("This system does not tell how much memory is free."))
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemAvailable:" {
			continue
		}
		kib, err := strconv.ParseUint(fields[1], 10, 64)
		switch {
		case err != nil:
		case kib<<10 < leastMemory:
			return one(toMend("%d KiB are free, and the kernel may end Treehouse; give cache.size less, or end other programs.", kib))
		default:
			return one(isGood("%d MiB are free.", kib>>10))
		}
	}
	return one(notTested("This system does not tell how much memory is free."))
}

func (d *doctor) testClock(context.Context) []finding {
	switch shows := d.clock.Shows().UTC().Format(time.DateTime); {
	case d.clock.Unset():
		return one(toMend("The clock shows %s, which has been; set it or start ntpd, the stricter hours hold until then.", shows))
	case !d.clock.Trusted():
		return one(toMend("The clock has jumped and shows %s; if that is right, say so with `treehouse clock confirm`, the stricter hours hold until then.", shows))
	}
	return one(isGood("It shows %s.", d.clock.Shows().In(d.config.Time.Zone).Format("Mon 2 Jan 2006 15:04 MST")))
}
