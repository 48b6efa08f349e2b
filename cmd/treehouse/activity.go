package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// counted is what the counts of one person are, as --json prints them.
type counted struct {
	Person string           `json:"person"`
	On     bool             `json:"on"`
	Weeks  []household.Week `json:"weeks,omitempty"`
}

func (a *app) activityCommand() *cobra.Command {
	return &cobra.Command{
		Use: "activity [PERSON|everyone on|off]", Short: "Count what is closed for a child by kind and week, and show it; off until turned on",
		Example: "  treehouse activity Ana on",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 2 && (args[1] == "on" || args[1] == "off") {
				return nil
			}
			return &usageError{fmt.Errorf("`%s` shows the counts; with PERSON or everyone, and on or off, it turns them on or off", cmd.CommandPath())}
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.withFamily(a.showActivity)
			}
			on := args[1] == "on"
			return a.change(func(h *household.Household) (string, error) {
				if strings.EqualFold(args[0], household.Everyone) {
					h.SetCountingForAll(on)
					return "Counting is " + args[1] + " for everyone whose age allows it. My internet says so.", nil
				}
				p, err := person(h, args[0])
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("Counting is %s for %s. My internet says so.", args[1], p.Name), h.SetCounting(p.ID, on)
			})
		},
	}
}

func (a *app) showActivity(f *household.Family) error {
	h := f.Household()
	all := []counted{}
	for _, p := range h.People {
		weeks, err := f.Weeks(p.ID)
		if err != nil {
			return err
		}
		all = append(all, counted{p.Name, h.Counted(p) != household.SeesNothing, weeks})
	}
	return a.print(all, func(w io.Writer) {
		for _, c := range all {
			if !c.On {
				fmt.Fprintf(w, "%s: not counted\n", c.Person)
				continue
			}
			fmt.Fprintf(w, "%s: counted, written down every half hour\n", c.Person)
			for _, week := range c.Weeks {
				fmt.Fprintf(w, "  %s: %d closed\n", week.Week, week.Blocked)
				for _, topic := range slices.Sorted(maps.Keys(week.Topics)) {
					fmt.Fprintf(w, "    %s: %d\n", topic, week.Topics[topic])
				}
			}
		}
	})
}

// logCommand begins and ends the log of a device. It cannot show it: that is in
// the memory of the running Treehouse and nowhere else.
func (a *app) logCommand() *cobra.Command {
	if tiny { // it could be begun and not be seen
		return leftOut("log")
	}
	var length time.Duration
	var stop bool
	c := &cobra.Command{
		Use: "log DEVICE", Short: "Note what a device asks for, to find a fault: --for 1h begins, --stop ends; its owner is told", Args: exactly("DEVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := cmd.Flags().Changed("for")
			if begin == stop {
				return a.read(func(h *household.Household) error {
					d, err := device(h, args[0])
					if err != nil {
						return err
					}
					return &usageError{fmt.Errorf("what is noted is only in the memory of the running Treehouse: see it as a parent on the page /devices/%d/log or with GET /api/v1/devices/%[1]d/log; --for 1h begins, --stop ends it", d.ID)}
				})
			}
			return a.change(func(h *household.Household) (string, error) {
				d, err := device(h, args[0])
				if err != nil {
					return "", err
				}
				if stop {
					return "Nothing of " + d.Name + " is noted any more, and what was noted is gone.", h.LogDevice(d.ID, a.now(), time.Time{}, "")
				}
				until := a.now().Add(length)
				if err := h.LogDevice(d.ID, a.now(), until, ""); err != nil {
					return "", fmt.Errorf("%s: %w", d.Name, err)
				}
				return fmt.Sprintf("What %s asks for is noted%s. %s is told. See it as a parent on the page /devices/%d/log.", d.Name, untilWords(until, h.Zone()), h.Person(d.Person).Name, d.ID), nil
			})
		},
	}
	c.Flags().DurationVar(&length, "for", 0, "begin, for as long as 1h; 24h at most")
	c.Flags().BoolVar(&stop, "stop", false, "end it, and drop what was noted")
	return c
}

// letter is a report to one list, as --json prints it.
type letter struct {
	List    string `json:"list"`
	To      string `json:"to,omitempty"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

func (a *app) listsReport() *cobra.Command {
	return &cobra.Command{
		Use: "report NAME", Short: "Write the letters that say a list is wrong about a name; sending them is yours", Args: exactly("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			name, err := filter.ParseName(hostOf(args[0]))
			if err != nil {
				return &usageError{fmt.Errorf("%q: %w", args[0], err)}
			}
			return a.withLibrary(func(l *blocklists.Library) error {
				origins, err := l.Find(name)
				sources, err2 := l.Sources()
				if err = errors.Join(err, err2); err != nil {
					return err
				}
				keepers := map[string]string{"": blocklists.CatalogueKeeper}
				for _, s := range sources {
					keepers[s.ID] = s.Keeper()
				}
				letters := []letter{}
				add := func(list, topic string, missed bool) {
					to := blocklists.Letter{List: list, Site: plain(name), Topic: topic, Missed: missed}
					if list == "" {
						to.List = "catalogue"
					}
					letters = append(letters, letter{to.List, to.URL(keepers[list]), to.Subject(), to.Text()})
				}
				for _, o := range origins {
					if a.checkSubject(o.Topic) == nil {
						add(o.Source, o.Topic, false)
					}
				}
				if len(letters) == 0 {
					for _, list := range slices.Sorted(maps.Keys(keepers)) {
						add(list, "", true)
					}
				}
				return a.print(letters, func(w io.Writer) {
					fmt.Fprintln(w, "Nothing was sent. These are the letters:")
					for _, l := range letters {
						to := l.To
						if to == "" {
							to = "whoever gave you the list"
						}
						fmt.Fprintf(w, "\n%s, to %s\n  %s\n  %s\n", l.List, to, l.Subject, l.Text)
					}
				})
			})
		},
	}
}
