package household

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// records are all values of the household, as they are written.
func (h *Household) records() (map[record][]byte, error) {
	all := map[record][]byte{{bucketHousehold, keySchema}: strconv.AppendInt(nil, schema, 10)}
	add := func(bucket, key string, value any) error {
		text, err := json.Marshal(value)
		all[record{bucket, key}] = text
		return err
	}
	if err := add(bucketHousehold, keySettings, h.Settings); err != nil {
		return nil, err
	}
	for _, p := range h.People {
		if err := add(bucketPeople, idKey(uint32(p.ID)), p); err != nil {
			return nil, err
		}
	}
	for _, d := range h.Devices {
		if err := add(bucketDevices, idKey(uint32(d.ID)), d); err != nil {
			return nil, err
		}
	}
	for _, r := range h.Requests {
		if err := add(bucketRequests, idKey(uint32(r.ID)), r); err != nil {
			return nil, err
		}
	}
	for _, r := range h.Reports {
		if err := add(bucketReports, idKey(uint32(r.ID)), r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// idKey writes an ID so that keys sort as the numbers do.
func idKey(id uint32) string { return fmt.Sprintf("%010d", id) }

// load reads the household from the file, and what stands there as it stands
// there; an empty file is a household without people.
func load(tx *store.Tx, bands *Bands, zone *time.Location) (h *Household, written map[record][]byte, err error) {
	h, written = New(bands, zone), map[record][]byte{}
	version, err := tx.Bucket(bucketHousehold).Get([]byte(keySchema))
	if err != nil || version == nil {
		return h, written, err
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
	written[record{bucketHousehold, keySchema}] = version
	settings, err := tx.Bucket(bucketHousehold).Get([]byte(keySettings))
	if err == nil && settings != nil {
		written[record{bucketHousehold, keySettings}] = settings
		err = json.Unmarshal(settings, &h.Settings)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("household: the settings cannot be read: %w", err)
	}
	if _, ok := bands.Band(h.Settings.Default); !ok {
		h.Settings.Default = DefaultBand
	}
	err = each(tx, bucketPeople, written, func(p Person) { h.People = append(h.People, p) })
	if err == nil {
		err = each(tx, bucketDevices, written, func(d Device) { h.Devices = append(h.Devices, d) })
	}
	if err == nil {
		err = each(tx, bucketRequests, written, func(r Request) { h.Requests = append(h.Requests, r) })
	}
	if err == nil {
		err = each(tx, bucketReports, written, func(r Report) { h.Reports = append(h.Reports, r) })
	}
	return h, written, err
}

// each reads every record of a bucket.
func each[T any](tx *store.Tx, bucket string, written map[record][]byte, add func(T)) error {
	var bad error
	err := tx.Bucket(bucket).Each(nil, func(key, value []byte) bool {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			bad = fmt.Errorf("household: %s %s cannot be read: %w; restore a backup", bucket, key, err)
			return false
		}
		written[record{bucket, string(key)}] = bytes.Clone(value)
		add(v)
		return true
	})
	if err == nil {
		err = bad
	}
	return err
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
	for i := range h.Devices {
		d := &h.Devices[i]
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
