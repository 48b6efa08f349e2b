package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/store"
)

// openFamily opens household.db. A file that had to be set aside is reported on
// errs and replaced: the devices are on the child profile until a parent looks.
// notifier is told of requests; nil: nobody.
func (a *app) openFamily(c *Config, notifier household.Notifier) (*household.Family, *store.File, error) {
	file, err := store.Open(filepath.Join(c.Storage.Dir, "household.db"), store.Options{Scratch: c.Storage.RuntimeDir})
	if err != nil {
		return nil, nil, err
	}
	if r := file.Recovered(); r != nil {
		fmt.Fprintf(a.errs, "treehouse: %s\n", r)
		if r.FromBackup { // what was taken back since it was saved is not known any more
			if err := file.Update(func(tx *store.Tx) error { return signEverybodyOut(tx, tx) }); err != nil {
				fmt.Fprintf(a.errs, "treehouse: whoever was signed in still is: %v\n", err)
			}
		}
	}
	family, err := household.Open(file, household.Options{Zone: c.Time.Zone, Now: a.now, Notifier: notifier, Restored: signEverybodyOut})
	return family, file, err
}

// openLibrary opens blocklists.db with what the program knows by itself.
func (a *app) openLibrary(c *Config) (*blocklists.Library, error) {
	witnesses, err := readWitnesses(c.Lists.Witnesses)
	if err != nil {
		return nil, err
	}
	opt := blocklists.Options{
		Catalogue: catalogue.BuiltIn(), Replacement: a.replacement(c),
		Own: c.DNS.OwnNames, Witnesses: witnesses,
		Memory: int(c.Lists.Memory), Temp: c.Storage.RuntimeDir, Now: a.now,
		Store: store.Options{Scratch: c.Storage.RuntimeDir},
	}
	if c.Storage.KeepLists > 0 {
		opt.Kept, opt.KeptBytes = filepath.Join(c.Storage.Dir, "blocklists.kept"), c.Storage.KeepLists
	}
	library, err := blocklists.Open(c.Storage.ListsDir, opt)
	if err != nil {
		return nil, err
	}
	if r := library.Recovered(); r != nil {
		fmt.Fprintf(a.errs, "treehouse: %s; import or update the lists again\n", r)
	}
	return library, nil
}

// replacement is lists.catalogue.
func (a *app) replacement(c *Config) blocklists.Replacement {
	r := c.Lists.Catalogue
	named := sync.OnceValue(func() []string { return a.topicsOfRules(c) })
	return blocklists.Replacement{
		Path: r.Path, URL: r.URL, Key: r.Key, AllowHTTP: r.AllowHTTP, AllowPrivate: r.AllowPrivate, Refresh: c.Lists.UpdateEvery,
		Seen:  filepath.Join(c.Storage.Dir, "catalogue.seen"),
		InUse: func(topic string) bool { return slices.Contains(named(), topic) },
	}
}

// topicsOfRules are the services and categories that the family's rules name.
// Where nobody can read them, none.
func (a *app) topicsOfRules(c *Config) []string {
	family, _, err := a.openFamily(c, nil)
	if err != nil {
		return nil
	}
	var topics []string
	for _, p := range family.Household().Policies() {
		for _, r := range p.Topics {
			if r.Topic != "" && !slices.Contains(topics, r.Topic) {
				topics = append(topics, r.Topic)
			}
		}
	}
	return topics
}

// readWitnesses reads the files of lists.witnesses.
func readWitnesses(paths []string) (func(yield func(filter.Name) bool), error) {
	var names []filter.Name
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, &ConfigError{"lists.witnesses", path + " cannot be read: " + cause(err)}
		}
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			name, err := filter.ParseName(line)
			if err != nil {
				return nil, &ConfigError{fmt.Sprintf("%s:%d", path, number), fmt.Sprintf("%q is not a name: %v", line, err)}
			}
			names = append(names, name)
		}
	}
	return func(yield func(filter.Name) bool) {
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	}, nil
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

// configuredSources are the sources of lists.sources, which loadConfig has checked.
func configuredSources(c *Config) []blocklists.Source {
	var sources []blocklists.Source
	for _, s := range c.Lists.Sources {
		sources = append(sources, blocklists.Source{
			ID: s.ID, Topic: s.Topic, Format: blocklists.Format(s.Format), Exact: s.Exact, URL: s.URL,
			AllowHTTP: s.AllowHTTP, AllowPrivate: s.AllowPrivate, Refresh: c.Lists.UpdateEvery, Contact: s.Contact,
		})
	}
	return sources
}

// checkSource says what is wrong with an entry of lists.sources.
func checkSource(s ListSource) error {
	if _, err := blocklists.ParseFormat(s.Format); err != nil {
		return err
	}
	if s.Contact != "" {
		if err := blocklists.CheckContact(s.Contact); err != nil {
			return err
		}
	}
	if s.URL == "" {
		return nil
	}
	return checkListURL(s.URL, s.AllowHTTP)
}

// checkListURL says what is wrong with an address to fetch from.
func checkListURL(address string, allowHTTP bool) error {
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP) {
		return fmt.Errorf("%q is not an address that begins with https://; http:// needs allow_http: true", address)
	}
	return nil
}

// checkTopics refuses a topic of lists.sources that the built-in catalogue does
// not have. Where another takes its place, that is only known once it is read.
func checkTopics(c *Config) error {
	if r := c.Lists.Catalogue; r.Path != "" || r.URL != "" {
		return nil
	}
	var known []string
	for _, t := range catalogue.Topics() {
		known = append(known, t.ID)
	}
	for i, s := range c.Lists.Sources {
		if s.Topic != "" && !slices.Contains(known, s.Topic) {
			return fmt.Errorf("entry %d: there is no topic %q; %s", i+1, s.Topic, didYouMean(s.Topic, known, "write one of the catalogue's, such as adult, gambling or ads"))
		}
	}
	return nil
}

// checkSubject refuses what no rule can be about: neither a service nor a
// category of the catalogue, nor "group:" with a group of services.
func (a *app) checkSubject(subject string) error {
	topics, err := a.topics()
	if err != nil {
		return err
	}
	var known []string
	for _, t := range topics {
		switch {
		case t.Kind == filter.KindService && t.Group != "":
			known = append(known, t.ID, household.GroupPrefix+t.Group)
		case t.Kind == filter.KindCategory:
			known = append(known, t.ID)
		}
	}
	if slices.Contains(known, subject) {
		return nil
	}
	return &usageError{fmt.Errorf("there is no service, category or group %q; %s", subject, didYouMean(subject, known, "write it like tiktok, gambling or group:social"))}
}

// topics are what rules can be about: the catalogue's that is in force.
func (a *app) topics() ([]filter.Topic, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if r := c.Lists.Catalogue; r.Path == "" && r.URL == "" {
		return catalogue.Topics(), nil
	}
	l, err := a.openLibrary(c)
	if err != nil {
		return nil, err
	}
	e, _ := l.Catalogue() // the built-in one, where the other cannot be used
	return e.Topics(), nil
}

// isService tells whether the catalogue has a service of that id.
func (a *app) isService(id string) bool {
	topics, _ := a.topics() // none, where the configuration cannot be read; the command says so
	return slices.ContainsFunc(topics, func(t filter.Topic) bool { return t.Kind == filter.KindService && t.ID == id })
}

// emptyHouseError says that the person asked for does not live here, and nobody
// else does: mostly it is the wrong folder.
type emptyHouseError struct{ name, folder string }

func (e *emptyHouseError) Error() string {
	return fmt.Sprintf("nobody lives in %s yet; name another folder with --storage-dir, or add somebody with `treehouse people add %s --age 9`", e.folder, e.name)
}

// inFolder names the folder in an emptyHouseError.
func inFolder(c *Config, err error) error {
	if empty := (*emptyHouseError)(nil); errors.As(err, &empty) {
		empty.folder = c.Storage.Dir
	}
	return err
}

// person finds somebody by name, or says who there is.
func person(h *household.Household, name string) (*household.Person, error) {
	if p := h.PersonNamed(name); p != nil {
		return p, nil
	}
	if len(h.People) == 0 {
		return nil, &usageError{&emptyHouseError{name: name}}
	}
	names := make([]string, len(h.People))
	for i, p := range h.People {
		names[i] = p.Name
	}
	return nil, &usageError{fmt.Errorf("there is nobody called %s; there is %s", name, strings.Join(names, ", "))}
}

// ends reads --for or --until of a command; neither is for good, which is the
// zero time.
func ends(c *cobra.Command, length time.Duration, until string, now time.Time) (time.Time, error) {
	given := c.Flags().Changed("for")
	switch {
	case given && until != "":
		return time.Time{}, &usageError{fmt.Errorf("--for and --until say the same thing; give one")}
	case given && length <= 0:
		return time.Time{}, &usageError{fmt.Errorf("--for %s is no time at all; write 30m or 2h", length)}
	case given:
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
