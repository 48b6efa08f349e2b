package blocklists

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/store"
)

// Lists in memory are gone after a reboot, and the internet may be too. So that
// the home is filtered as before, a copy of the file is kept on flash: the
// snapshot, the states of the sources, and the names of those sources that have
// no URL, which nobody else has, or whose URL did not answer the last time. The
// other names can be fetched again; until they are, their sources are Away, and the
// snapshot stays as it is. One source that cannot be fetched must not keep the
// others old for ever, though: see goesWithout.

const (
	// keepEvery is how often a copy is written that differs in nothing but news:
	// flash wears, and yesterday's lists are good ones.
	keepEvery = 24 * time.Hour
	// keepSpare in bytes is what a copy leaves of the file system: household.db is
	// written anew with each change, and matters more.
	keepSpare = 512 << 10
	// keptWait is how long a change of the lists waits while the copy is written:
	// 8 MiB on flash that takes 100 KiB a second.
	keptWait = 90 * time.Second

	// awayMost is how old the snapshot may become for one source that is Away. The
	// names of the others that are a week old are mostly those of today; those of
	// a month are not.
	awayMost = 7 * 24 * time.Hour
	// awayLeast is how long that source has to have failed, while others do not:
	// its server may be away for an hour on the day that we come back.
	awayLeast = 6 * time.Hour
)

// Keep writes the copy (Options.Kept) if it is time, and tells whether it did. It
// is time if there is none, if sources were added, removed or imported by hand, and
// with other news once a day. The copy before stays until the new one is whole.
func (l *Library) Keep(ctx context.Context) (written bool, err error) {
	last, err := l.LastBuild()
	if err != nil || l.opt.Kept == "" || last.Number == 0 {
		return false, err
	}
	if !last.isWorthKeeping(l.KeptBuild(), l.opt.Now()) {
		return false, nil
	}
	sources, err := l.Sources()
	if err != nil {
		return false, err
	}
	err = l.keepWithout(ctx, sources, func(s SourceState) bool { return s.URL != "" && !s.Failed })
	if errors.Is(err, store.ErrNoRoom) && slices.ContainsFunc(sources, func(s SourceState) bool { return s.URL != "" && s.Failed }) {
		err = l.keepWithout(ctx, sources, func(s SourceState) bool { return s.URL != "" })
	}
	return err == nil, err
}

// KeptBuild tells of the snapshot in the copy, the zero Build if there is none that
// can be read.
func (l *Library) KeptBuild() Build {
	kept, err := readBuild(l.file.BackedUp(buildBucket, lastBuild))
	if err != nil {
		return Build{}
	}
	return kept
}

// keepWithout writes the copy without the names of the sources that can be had
// again.
func (l *Library) keepWithout(ctx context.Context, sources []SourceState, isElsewhere func(SourceState) bool) error {
	leaveOut := func(table string) bool {
		return slices.ContainsFunc(sources, func(s SourceState) bool { return namesTable(s.ID) == table && isElsewhere(s) })
	}
	return l.file.SaveBackupWithout(ctx, leaveOut, l.opt.KeptBytes, keepSpare)
}

// isWorthKeeping tells whether b takes the place of the build that is kept, the
// zero Build if none is.
func (b Build) isWorthKeeping(kept Build, now time.Time) bool {
	if b.Number == kept.Number && b.At.Equal(kept.At) {
		return false
	}
	age := now.Sub(kept.At)
	return kept.Number == 0 || b.Sources != kept.Sources || !b.ByHand.Equal(kept.ByHand) || age >= keepEvery || age < 0
}

// lastByHand is when the last of the sources without a URL was imported.
func lastByHand(sources []SourceState) (last time.Time) {
	for _, s := range sources {
		if s.URL == "" && s.Imported.After(last) {
			last = s.Imported
		}
	}
	return last
}

// markAway finds out which sources are Away.
func markAway(tx *store.Tx, sources []SourceState) error {
	here, err := tx.Tables()
	if err != nil {
		return err
	}
	for i, s := range sources {
		sources[i].Away = !s.Imported.IsZero() && !slices.Contains(here, namesTable(s.ID))
	}
	return nil
}

// goesWithout are the sources that the build after b is compiled without, by ID,
// or an AwayError: their names are in b's snapshot, and that stays. It stays for
// awayMost, and as long as nothing else can be fetched, because then it is the
// internet that is away. What b went without already is waited for no more.
func (b Build) goesWithout(sources []SourceState, now time.Time) (ids []string, err error) {
	isOnline := slices.ContainsFunc(sources, func(s SourceState) bool {
		return s.URL != "" && !s.Imported.IsZero() && !s.Away && !s.Failed
	})
	for _, s := range sources {
		if !s.Away {
			continue
		}
		isDead := isOnline && s.Failed && now.Sub(s.Failing) >= awayLeast && now.Sub(b.At) >= awayMost
		if !isDead && !slices.Contains(b.Without, s.ID) {
			return nil, &AwayError{s.ID}
		}
		ids = append(ids, s.ID)
	}
	return ids, nil
}

// AwayError says that a source's names are not here, so that a snapshot compiled
// now would filter less than the one that is in force.
type AwayError struct{ ID string }

func (e *AwayError) Error() string {
	return fmt.Sprintf("the names of %q were not kept over the reboot and have to be fetched first, and the last lists stay in force until they are; `treehouse lists update %[1]s` fetches them, `treehouse lists remove %[1]s` does without", e.ID)
}
