package household

import (
	"testing"
	"time"
)

// fakeClock is a system's clock that may be set, and the time that really passes.
type fakeClock struct {
	wall    time.Time
	elapsed time.Duration
	kept    bool
}

func (c *fakeClock) pass(d time.Duration) { c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d }

func (c *fakeClock) keeper(seen time.Time) *Timekeeper {
	return NewTimekeeper(TimeSources{
		Now: func() time.Time { return c.wall }, Elapsed: func() time.Duration { return c.elapsed }, Kept: func() bool { return c.kept },
	}, seen)
}

// TestTimekeeper tells what becomes of a clock, step by step: what passes, where
// the clock is set, and whether it is trusted then and what time it is.
func TestTimekeeper(t *testing.T) {
	type step struct {
		pass    time.Duration
		set     time.Duration // the clock jumps by this
		confirm bool
		kept    bool // from now on something keeps the clock in step
		trusted bool
		behind  time.Duration // how far the house's time is ahead of the clock
	}
	const h, m, d = time.Hour, time.Minute, 24 * time.Hour
	for _, c := range []struct {
		name  string
		seen  time.Duration // before the clock's reading at the start
		steps []step
	}{
		{"a clock in step", d, []step{{kept: true, trusted: true}, {pass: d, trusted: true}, {pass: 300 * d, trusted: true}, {pass: 30 * d, set: m, trusted: true}}},
		{"a false answer sets it back, and ends", d, []step{
			{kept: true, trusted: true}, {set: -4 * h, behind: 4 * h}, {pass: h, behind: 4 * h}, {pass: 5 * h, behind: 4 * h}, {set: 4 * h, trusted: true},
		}},
		{"and passing the last time seen is not enough", d, []step{{kept: true, trusted: true}, {set: -4 * h, behind: 4 * h}, {pass: 5 * h, behind: 4 * h}}},
		{"it sets it forward, over the night", d, []step{{kept: true, trusted: true}, {set: 10 * h, behind: -10 * h}, {pass: h, behind: -10 * h}, {set: -10 * h, trusted: true}}},
		{"many small steps add up", d, []step{
			{kept: true, trusted: true}, {set: -m, trusted: true}, {pass: time.Second, set: -m, trusted: true}, {pass: time.Second, set: -m, behind: 3 * m},
		}},
		{"two minutes a day are let be", d, []step{{kept: true, trusted: true}, {set: -2 * m, trusted: true}, {pass: 25 * h, trusted: true}, {set: -2 * m, trusted: true}}},
		{"months ahead and put right: it settles", d, []step{
			{kept: true, trusted: true}, {set: -90 * d, behind: 90 * d}, {pass: 11 * h, behind: 90 * d}, {pass: 2 * h, trusted: true}, {pass: 30 * d, trusted: true},
		}},
		{"settling begins again with each jump", d, []step{
			{kept: true, trusted: true}, {set: -90 * d, behind: 90 * d}, {pass: 11 * h, set: h, behind: 90*d - h}, {pass: 11 * h, behind: 90*d - h}, {pass: h, trusted: true},
		}},
		{"a parent says it is right", d, []step{{kept: true, trusted: true}, {set: -90 * d, behind: 90 * d}, {pass: m, confirm: true, trusted: true}, {pass: d, trusted: true}}},
		{"a router without a battery", -20000 * d, []step{{pass: 0, behind: 20000 * d}, {pass: 10 * d, behind: 20000 * d}, {set: 20001 * d, kept: true, trusted: true}, {set: -h, behind: h}}},
		{"a clock in local time is put right at boot", d, []step{{pass: m, trusted: true}, {set: -2 * h, kept: true, trusted: true}, {set: -2 * h, behind: 2 * h}}},
		{"but not before the last time seen", h, []step{{pass: m, trusted: true}, {set: -2 * h, behind: 2 * h}, {pass: h, behind: 2 * h}, {set: 2 * h, trusted: true}}},
		{"what was written in a false future", -90 * d, []step{{kept: true, behind: 90 * d}, {pass: 11 * h, behind: 90 * d}, {pass: h, trusted: true}}},
		{"and nobody keeps the clock", -90 * d, []step{{pass: d, behind: 90 * d}, {pass: d, behind: 90 * d}, {confirm: true, trusted: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &fakeClock{wall: monday}
			k := clock.keeper(monday.Add(-c.seen))
			for i, s := range c.steps {
				clock.pass(s.pass)
				clock.wall = clock.wall.Add(s.set)
				before := k.Trusted()
				if changed := k.Look(); changed != (k.Trusted() != before) {
					t.Errorf("step %d: Look says %t", i, changed)
				}
				clock.kept = clock.kept || s.kept
				if k.Look() {
					t.Errorf("step %d: it changes by looking twice", i)
				}
				if s.confirm && !k.Confirm(clock.wall) {
					t.Errorf("step %d: a parent's word does nothing", i)
				}
				if at := k.Now(); k.Trusted() != s.trusted || at.Sub(clock.wall) != s.behind {
					t.Errorf("step %d: trusted %t, want %t; it is %s, the clock shows %s", i, k.Trusted(), s.trusted, at, clock.wall)
				}
			}
		})
	}
}

// TestConfirmIsAboutOneMoment: what a parent said about one reading is not said
// about another that a false answer leads to later.
func TestConfirmIsAboutOneMoment(t *testing.T) {
	clock := &fakeClock{wall: monday, kept: true}
	k := clock.keeper(monday)
	k.Look()
	if k.Confirm(monday) {
		t.Error("there was nothing to confirm")
	}
	clock.pass(5 * time.Hour)
	clock.wall = monday
	if !k.Look() || k.Confirm(monday) || k.Confirm(monday.Add(-time.Hour)) || k.Confirm(monday.Add(time.Hour)) || k.Trusted() {
		t.Error("an old word counts")
	}
	if !k.Confirm(monday.Add(time.Minute)) || !k.Trusted() || k.Unset() {
		t.Error("a new word does not")
	}
}
