package main

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/store"
)

// openFamily opens household.db. A file that had to be set aside is reported on
// errs and replaced: the devices are on the child profile until a parent looks.
func (a *app) openFamily(c *Config) (*household.Family, *store.File, error) {
	file, err := store.Open(filepath.Join(c.Storage.Dir, "household.db"), store.Options{Scratch: c.Storage.RuntimeDir})
	if err != nil {
		return nil, nil, err
	}
	if r := file.Recovered(); r != nil {
		fmt.Fprintf(a.errs, "treehouse: %s\n", r)
	}
	family, err := household.Open(file, household.Options{Zone: c.Time.Zone, Now: a.now})
	return family, file, err
}

// openLibrary opens blocklists.db with what the program knows by itself.
func (a *app) openLibrary(c *Config) (*blocklists.Library, error) {
	return blocklists.Open(c.Storage.ListsDir, blocklists.Options{
		Catalogue: blocklists.Catalogue{
			Topics: catalogue.Topics, Entries: catalogue.Entries, Protected: catalogue.Protected,
			UT1: catalogue.UT1, V2fly: catalogue.V2fly,
		},
		Memory: int(c.Lists.Memory), Temp: c.Storage.RuntimeDir, Now: a.now,
		Store: store.Options{Scratch: c.Storage.RuntimeDir},
	})
}

// What Go's heap may take of lists.memory, in eighths, and how much garbage may
// gather meanwhile, in percent. The rest is for what the kernel counts besides:
// with 16 MiB and a million names the whole process stays under 24 MB.
const (
	heapEighths = 7
	gcPercent   = 20
)

// openWorkshop opens the library in a process that only works on it, and keeps
// the process within lists.memory.
func (a *app) openWorkshop(c *Config) (*blocklists.Library, error) {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(c.Lists.Memory / 8 * heapEighths)
	return a.openLibrary(c)
}

// configuredSources are the sources of lists.sources.
func configuredSources(c *Config) ([]blocklists.Source, error) {
	var sources []blocklists.Source
	for _, s := range c.Lists.Sources {
		format, err := blocklists.ParseFormat(s.Format)
		if err != nil {
			return nil, &ConfigError{"lists.sources", s.ID + ": " + err.Error()}
		}
		sources = append(sources, blocklists.Source{
			ID: s.ID, Topic: s.Topic, Format: format, Exact: s.Exact, URL: s.URL,
			AllowHTTP: s.AllowHTTP, AllowPrivate: s.AllowPrivate, Refresh: c.Lists.UpdateEvery,
		})
	}
	return sources, nil
}

// isService tells whether the catalogue has a service of that id.
func isService(id string) bool {
	return slices.ContainsFunc(catalogue.Topics(), func(t filter.Topic) bool { return t.Kind == filter.KindService && t.ID == id })
}

// person finds somebody by name, or says who there is.
func person(h *household.Household, name string) (*household.Person, error) {
	if p := h.PersonNamed(name); p != nil {
		return p, nil
	}
	if len(h.People) == 0 {
		return nil, &usageError{fmt.Errorf("nobody lives here yet; `treehouse people add %s --age 9` adds somebody", name)}
	}
	names := make([]string, len(h.People))
	for i, p := range h.People {
		names[i] = p.Name
	}
	return nil, &usageError{fmt.Errorf("there is nobody called %s; there is %s", name, strings.Join(names, ", "))}
}

// ends reads --for or --until; neither is for good, which is the zero time.
func ends(length time.Duration, until string, now time.Time) (time.Time, error) {
	switch {
	case length != 0 && until != "":
		return time.Time{}, &usageError{fmt.Errorf("--for and --until say the same thing; give one")}
	case length < 0:
		return time.Time{}, &usageError{fmt.Errorf("--for %s is in the past", length)}
	case length > 0:
		return now.Add(length), nil
	case until != "":
		t, err := parseWhen(until, now)
		if err != nil {
			return t, &usageError{err}
		}
		return t, nil
	}
	return time.Time{}, nil
}

// untilWords is "until Mon 23 Nov 21:30", or nothing for good.
func untilWords(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.In(zone).Format("Mon 2 Jan 15:04")
}
