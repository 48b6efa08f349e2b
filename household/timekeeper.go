package household

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clockTolerance is how far the system's clock may be from where it should be
	// by what has gone by since, within clockDay. What keeps a clock in step sets
	// it by seconds; nobody gains an evening by two minutes a day.
	clockTolerance = 2 * time.Minute
	clockDay       = 24 * time.Hour
	// clockSettles is how long a clock that jumped has to run evenly until it is
	// believed by itself: longer than a night, so that a false time in the evening
	// brings nothing back, and short enough that a house nobody looks after is well
	// the next day, whatever year its clock showed before.
	clockSettles = 12 * time.Hour
	// clockSaid is how long a parent's word about the clock's reading counts: a
	// command or a form takes seconds.
	clockSaid = 5 * time.Minute
)

// TimeSources are what a Timekeeper compares.
type TimeSources struct {
	Now func() time.Time // the system's clock, which may be set
	// Elapsed runs evenly, the machine's sleep included, and cannot be set.
	Elapsed func() time.Duration
	// Kept tells whether something keeps the system's clock in step, as an NTP
	// client does.
	Kept func() bool
}

// Timekeeper is the time as Treehouse sees it: never before the last time this
// router is known to have seen, and never where a jump of the clock has put it.
// A child cannot set a router's clock, but may answer for its NTP server.
//
// A clock that nothing has kept in step yet may be set: forward, and back as far
// as the last time seen. That is how a router without a battery gets its time. One
// that has been kept in step does not jump. If it does, either way, it is doubted:
// the stricter hours hold (PoliciesWithoutClock), and time goes on from the last
// time seen at its own pace, until
//
//   - the clock is back where it should be, which ends a false answer, or
//   - a parent says that it is right, which ends a true correction at once, or
//   - it has run evenly for clockSettles, so that a clock that was months ahead
//     and was put right does not close the house for months.
//
// Now, Trusted and Shows may be called by any goroutine; Look and Confirm change
// what they say.
type Timekeeper struct {
	from  TimeSources
	floor time.Time    // the last time seen before the start
	ahead atomic.Int64 // of the system's clock, while that is doubted, in nanoseconds

	mu        sync.Mutex
	doubted   bool
	kept      bool      // something has kept the clock in step since the start
	seen      reading   // the last time known to be true
	candidate reading   // since when the doubted clock runs evenly
	said      time.Time // the last of a parent's words about the clock
}

// reading is what both clocks showed at a moment.
type reading struct {
	wall    time.Time
	elapsed time.Duration
}

// after is what the system's clock should show.
func (r reading) after(elapsed time.Duration) time.Time { return r.wall.Add(elapsed - r.elapsed) }

// NewTimekeeper begins with the last time that is known to have been seen.
func NewTimekeeper(from TimeSources, seen time.Time) *Timekeeper {
	k := &Timekeeper{from: from, floor: seen}
	now := k.read()
	k.seen, k.candidate = now, now
	if now.wall.Before(seen) {
		k.seen.wall, k.doubted = seen, true
		k.ahead.Store(int64(seen.Sub(now.wall)))
	}
	return k
}

func (k *Timekeeper) read() reading {
	return reading{k.from.Now().Round(0), k.from.Elapsed()} // Round: as the clock on the wall
}

// Now is the system's time, or where that is doubted, the time that goes on from
// the last one known to be true. The former carries the monotonic reading.
func (k *Timekeeper) Now() time.Time {
	now := k.from.Now()
	if ahead := k.ahead.Load(); ahead != 0 {
		return now.Round(0).Add(time.Duration(ahead))
	}
	return now
}

// Trusted tells whether the system's clock is believed.
func (k *Timekeeper) Trusted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.doubted
}

// Unset tells whether the clock is doubted because nobody has set it since the
// start.
func (k *Timekeeper) Unset() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.doubted && !k.kept
}

// Shows is what the system's clock shows, believed or not.
func (k *Timekeeper) Shows() time.Time { return k.from.Now() }

// Look compares the clocks, and tells whether they are trusted now and were not
// before, or the other way round. Call it every second or so.
func (k *Timekeeper) Look() (changed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, before := k.read(), k.doubted
	should := k.seen.after(now.elapsed)
	off := now.wall.Sub(should)
	onTime := off.Abs() <= clockTolerance
	firstSet := !k.kept && (off > 0 || !k.doubted && !now.wall.Before(k.floor))
	switch {
	case onTime && !k.doubted:
		if now.elapsed-k.seen.elapsed >= clockDay { // not each time: small steps would add up
			k.seen = now
		}
	case onTime, firstSet:
		k.believe(now)
	case !k.doubted:
		k.doubted, k.candidate = true, now
	case now.wall.Sub(k.candidate.after(now.elapsed)).Abs() > clockTolerance: // it jumps again
		k.candidate = now
	case k.kept && now.elapsed-k.candidate.elapsed >= clockSettles:
		k.believe(now)
	}
	k.kept = k.kept || k.from.Kept()
	if k.doubted {
		k.ahead.Store(int64(k.seen.after(now.elapsed).Sub(now.wall)))
	}
	return k.doubted != before
}

// Confirm takes a parent's word that the clock was right when it showed that, and
// tells whether that ends a doubt. The same word counts once, and only while the
// clock still shows about that.
func (k *Timekeeper) Confirm(showed time.Time) (ended bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if showed.Equal(k.said) {
		return false
	}
	k.said = showed
	now := k.read()
	if !k.doubted || now.wall.Sub(showed).Abs() > clockSaid {
		return false
	}
	k.believe(now)
	return true
}

// believe takes the system's clock as true from here on.
func (k *Timekeeper) believe(now reading) {
	k.doubted, k.seen = false, now
	k.ahead.Store(0)
}
