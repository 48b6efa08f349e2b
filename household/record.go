package household

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"reflect"
	"strconv"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// The buckets of household.db. Every value is JSON, so that a family's data can
// be read and taken along without this program:
//
//	household  "schema" → the version below, "settings" → Settings
//	people     ID → Person
//	devices    ID → Device
//	requests   ID → Request
//	reports    ID → Report
//	counts     week and person → counts by topic (see counts.go)
const (
	bucketHousehold = "household"
	bucketPeople    = "people"
	bucketDevices   = "devices"
	bucketRequests  = "requests"
	bucketReports   = "reports"

	keySchema   = "schema"
	keySettings = "settings"
)

// schema is the version of what is written. A release that changes the meaning
// of a record raises it and adds a step to migrate.
const schema = 1

// record is one value of the file.
type record struct{ bucket, key string }

// stored is what a load has found in the file.
type stored struct {
	values map[record][]byte
	// known are the values that the household in force was read from or written
	// as, with what they are there: a *Person, *Device, *Request or *Report. Most
	// of the cost of a change is JSON, and one touches a value or two of a thousand.
	known map[record]any
	sums  sums
	same  bool // it is the household in force, all of it
}

// sums tell the values of a household in the file from others: its settings, and
// in the order of the household its people, devices, requests and reports.
type sums struct {
	settings                           uint64
	people, devices, requests, reports []uint64
}

// item is what the file has one value for.
type item[T any] interface {
	number() uint32 // the ID
	clone() T
}

func (p Person) number() uint32  { return uint32(p.ID) }
func (d Device) number() uint32  { return uint32(d.ID) }
func (r Request) number() uint32 { return uint32(r.ID) }
func (r Report) number() uint32  { return uint32(r.ID) }

// records are all values of the household, as they are written. What equals a
// value that the file has been found with is taken from there; nil: all is
// written anew.
func (h *Household) records(found *stored, seed maphash.Seed) (map[record][]byte, sums, error) {
	all := make(map[record][]byte, h.size())
	all[record{bucketHousehold, keySchema}] = strconv.AppendInt(nil, schema, 10)
	var of sums
	settings, err := json.Marshal(h.Settings)
	all[record{bucketHousehold, keySettings}], of.settings = settings, maphash.Bytes(seed, settings)
	if err == nil {
		of.people, err = encode(all, bucketPeople, h.People, found, seed)
	}
	if err == nil {
		of.devices, err = encode(all, bucketDevices, h.Devices, found, seed)
	}
	if err == nil {
		of.requests, err = encode(all, bucketRequests, h.Requests, found, seed)
	}
	if err == nil {
		of.reports, err = encode(all, bucketReports, h.Reports, found, seed)
	}
	return all, of, err
}

// size is how many values the household is in the file.
func (h *Household) size() int {
	return 2 + len(h.People) + len(h.Devices) + len(h.Requests) + len(h.Reports)
}

// encode adds the values of a bucket to all and gives their sums.
func encode[T item[T]](all map[record][]byte, bucket string, items []T, found *stored, seed maphash.Seed) ([]uint64, error) {
	of := make([]uint64, len(items))
	for i := range items {
		r := record{bucket, idKey(items[i].number())}
		var value []byte
		if found != nil && reflect.DeepEqual(found.known[r], any(&items[i])) {
			value = found.values[r]
		} else {
			var err error
			if value, err = json.Marshal(items[i]); err != nil {
				return nil, err
			}
		}
		all[r], of[i] = value, maphash.Bytes(seed, value)
	}
	return of, nil
}

// idKey writes an ID in ten digits, so that keys sort as the numbers do.
func idKey(id uint32) string {
	key := [10]byte{}
	for i := len(key) - 1; i >= 0; i-- {
		key[i] = byte('0' + id%10)
		id /= 10
	}
	return string(key[:])
}

// load reads the household from the file, and what stands there as it stands
// there; an empty file is a household without people. last is the one in force,
// nil for none: what the file has as it was then is not decoded again.
func load(tx *store.Tx, bands *Bands, zone *time.Location, last *state, seed maphash.Seed) (h *Household, found *stored, err error) {
	h = New(bands, zone)
	if last == nil {
		last = &state{household: h}
	}
	size := last.household.size()
	found = &stored{values: make(map[record][]byte, size), known: make(map[record]any, size)}
	version, err := tx.Bucket(bucketHousehold).Get([]byte(keySchema))
	if err != nil || version == nil {
		return h, found, err
	}
	n, err := strconv.Atoi(string(version))
	if err != nil || n < 1 {
		return nil, nil, fmt.Errorf("household: %q is no version of a family's data; restore a backup", version)
	}
	if n > schema {
		return nil, nil, fmt.Errorf("household: the family's data was written by a newer Treehouse (schema %d, this one knows %d); update Treehouse", n, schema)
	}
	if err := migrate(tx, n); err != nil {
		return nil, nil, err
	}
	found.values[record{bucketHousehold, keySchema}] = version
	settings, err := tx.Bucket(bucketHousehold).Get([]byte(keySettings))
	if err == nil && settings != nil {
		found.values[record{bucketHousehold, keySettings}] = settings
		err = json.Unmarshal(settings, &h.Settings)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("household: the settings cannot be read: %w", err)
	}
	if _, ok := bands.Band(h.Settings.Default); !ok {
		h.Settings.Default = DefaultBand
	}
	found.sums.settings = maphash.Bytes(seed, settings)
	h.People, found.sums.people, err = decode(tx, bucketPeople, found, last.household.People, last.sums.people, seed)
	if err == nil {
		h.Devices, found.sums.devices, err = decode(tx, bucketDevices, found, last.household.Devices, last.sums.devices, seed)
	}
	if err == nil {
		h.Requests, found.sums.requests, err = decode(tx, bucketRequests, found, last.household.Requests, last.sums.requests, seed)
	}
	if err == nil {
		h.Reports, found.sums.reports, err = decode(tx, bucketReports, found, last.household.Reports, last.sums.reports, seed)
	}
	found.same = found.sums.settings == last.sums.settings && len(found.known) == h.size()-2 && h.size() == size
	return h, found, err
}

// decode reads every value of a bucket; last are those in force, with their sums.
func decode[T item[T]](tx *store.Tx, bucket string, found *stored, last []T, lastSums []uint64, seed maphash.Seed) (items []T, of []uint64, err error) {
	var bad error
	i := 0 // in last, whose numbers ascend as the keys do
	err = tx.Bucket(bucket).Each(nil, func(key, value []byte) bool {
		r := record{bucket, string(key)}
		found.values[r] = bytes.Clone(value)
		sum := maphash.Bytes(seed, value)
		of = append(of, sum)
		for number, err := strconv.ParseUint(r.key, 10, 32); err == nil && i < len(lastSums) && last[i].number() < uint32(number); {
			i++
		}
		if i < len(lastSums) && lastSums[i] == sum && idKey(last[i].number()) == r.key {
			found.known[r] = &last[i]
			items = append(items, last[i].clone())
			return true
		}
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			bad = fmt.Errorf("household: %s %s cannot be read: %w; restore a backup", bucket, key, err)
			return false
		}
		items = append(items, v)
		return true
	})
	if err == nil {
		err = bad
	}
	return items, of, err
}

// migrate brings an older file up to this schema, a step at a time. The steps
// see the file as it is; a View migrates in memory only.
func migrate(*store.Tx, int) error {
	return nil // schema 1 is the first
}

// save writes what differs between two states of the household.
func save(tx *store.Tx, before, after map[record][]byte) error {
	for r, value := range after {
		if string(before[r]) == string(value) {
			continue
		}
		if err := tx.Bucket(r.bucket).Put([]byte(r.key), value); err != nil {
			return err
		}
	}
	for r := range before {
		if _, still := after[r]; !still {
			if err := tx.Bucket(r.bucket).Delete([]byte(r.key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// check refuses a household that could not be compiled as it was meant, or is
// larger than one may be: what comes from a file or a backup is not ours alone.
func (h *Household) check() error {
	if len(h.People) > MaxPeople || len(h.Devices) > MaxDevices || len(h.Requests) > MaxPeople*maxRequests {
		return fmt.Errorf("household: %d people, %d devices and %d requests are more than a household may have", len(h.People), len(h.Devices), len(h.Requests))
	}
	if err := h.SetHolidays(h.Settings.Holidays); err != nil {
		return fmt.Errorf("household: %w", err)
	}
	seen := map[filter.PolicyID]bool{0: true}
	for i := range h.People {
		p := &h.People[i]
		if seen[p.ID] || p.ID > maxPersonID {
			return fmt.Errorf("household: the person number %d is there twice, or too high", p.ID)
		}
		seen[p.ID] = true
		h.Settings.LastPerson = max(h.Settings.LastPerson, p.ID)
		if err := p.check(h.bands); err != nil {
			return fmt.Errorf("household: %s: %w", p.Name, err)
		}
	}
	tokens := map[string]bool{"": true}
	for i := range h.Devices {
		d := &h.Devices[i]
		if !isToken(d.Away) || tokens[d.Away] { // a token that we have not made may be guessed
			d.Away = ""
		}
		tokens[d.Away] = true
		if !seen[d.Person] {
			return fmt.Errorf("household: the device %q belongs to person %d, who does not exist", d.Name, d.Person)
		}
		if max(len(d.Addrs), len(d.MACs), len(d.Clients)) > maxIdentifiers {
			return fmt.Errorf("household: the device %q has more than %d identifiers", d.Name, maxIdentifiers)
		}
		d.Name, d.Hint = CleanName(d.Name), CleanName(d.Hint)
		h.Settings.LastDevice = max(h.Settings.LastDevice, d.ID)
	}
	for i := range h.Requests {
		r := &h.Requests[i]
		if r.Person == 0 || !seen[r.Person] {
			return fmt.Errorf("household: request %d is of person %d, who does not exist", r.ID, r.Person)
		}
		h.Settings.LastAsked = max(h.Settings.LastAsked, r.ID)
		r.Words, r.Answer.Words = CleanWords(r.Words), CleanWords(r.Answer.Words)
	}
	for i := range h.Reports {
		r := &h.Reports[i]
		if site, err := Site(r.Site); err != nil || site != r.Site || len(r.Lists) > maxReportLists {
			return fmt.Errorf("household: report %d is about %q, which is no site", r.ID, r.Site)
		}
		h.Settings.LastReport = max(h.Settings.LastReport, r.ID)
	}
	h.Reports = h.Reports[max(0, len(h.Reports)-MaxReports):]
	return nil
}

func (p *Person) check(bands *Bands) error {
	p.Name = CleanName(p.Name)
	if _, ok := bands.Band(p.Band); !ok {
		return fmt.Errorf("there is no age band %q; it is one of %s", p.Band, bands.names())
	}
	if len(p.Names) > MaxNames || len(p.Switch) > MaxSwitches || len(p.Exceptions) > MaxExceptions || len(p.Tickets) > maxTickets || len(p.Homework) > maxHours {
		return fmt.Errorf("there are more rules than one person may have")
	}
	for _, r := range p.Names {
		if _, err := filter.ParseName(r.Name); err != nil {
			return fmt.Errorf("the rule about %q: %w", r.Name, err)
		}
	}
	for i := range p.Exceptions {
		p.Exceptions[i].Name = CleanWords(p.Exceptions[i].Name)
	}
	var hours []Hours
	if p.Nights != nil {
		hours = append(hours, *p.Nights...)
	}
	for _, w := range p.Homework {
		hours = append(hours, Hours{w.Days, w.From, w.To})
		if len(w.Groups) > maxHours {
			return fmt.Errorf("homework pauses more than %d groups", maxHours)
		}
	}
	if len(hours) > 2*maxHours {
		return fmt.Errorf("there are more than %d stretches of hours", 2*maxHours)
	}
	for _, one := range hours {
		if err := checkHours([]Hours{one}); err != nil {
			return err
		}
	}
	return nil
}
