package household

import (
	"net/netip"
	"slices"
	"time"
)

// Sample is the family for trying Treehouse out: Ana (9), Ben (14) and Maria, a
// parent, on three addresses of this machine. They have the real bedtimes of
// their ages, and an exception for the first day, so that what a newcomer tries
// answers the same at every hour.
func Sample(now time.Time, bands *Bands, zone *time.Location) *Household {
	h := New(bands, zone)
	h.Settings.Sample = true
	for _, member := range []struct {
		name, device, addr string
		age                int
	}{
		{"Ana", "Ana's tablet", "127.0.0.2", 9},
		{"Ben", "Ben's phone", "127.0.0.3", 14},
		{"Maria", "Maria's laptop", "127.0.0.4", 0},
	} {
		p := Person{Name: member.name, Band: Adult}
		if member.age > 0 {
			p.Born = BornAgo(member.age, now.In(h.zone))
			p.Band = bands.ForAge(member.age).ID
			p.Exceptions = []Exception{firstDay(now)}
		}
		person, err := h.AddPerson(p)
		if err == nil {
			_, err = h.AddDevice(Device{Name: member.device, Person: person.ID, Addrs: []netip.Addr{netip.MustParseAddr(member.addr)}})
		}
		if err != nil {
			panic(err) // the sample is part of the program and tested
		}
	}
	return h
}

// firstDay keeps the sample family up for a day.
func firstDay(now time.Time) Exception {
	from := now.Truncate(time.Minute)
	return Exception{Of: ExceptAll, From: from, Until: from.Add(24 * time.Hour), Name: "first evening with Treehouse"}
}

// BeginSample makes a household without people the sample family, and gives a
// sample family that is there already another first day. A family of its own is
// left as it is.
func (h *Household) BeginSample(now time.Time) {
	if len(h.People) == 0 {
		*h = *Sample(now, h.bands, h.zone)
		return
	}
	for i := range h.People {
		if p := &h.People[i]; h.Settings.Sample && p.Band != Adult {
			p.Exceptions = append(slices.DeleteFunc(p.Exceptions, func(e Exception) bool { return e.Of == ExceptAll }), firstDay(now))
		}
	}
}
