package household

import (
	"net/netip"
	"time"
)

// Sample is the family for trying Treehouse out: Ana (9), Ben (14) and Maria, a
// parent, on three addresses of this machine. They have the real bedtimes of
// their ages, and an exception for the first day, so that what a newcomer tries
// answers the same at every hour.
func Sample(now time.Time, bands *Bands, zone *time.Location) *Household {
	h := New(bands, zone)
	h.Settings.Sample = true
	firstDay := Exception{Of: ExceptAll, From: now.Truncate(time.Minute), Until: now.Truncate(time.Minute).Add(24 * time.Hour), Name: "first evening with Treehouse"}
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
			p.Exceptions = []Exception{firstDay}
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
