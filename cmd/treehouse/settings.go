package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/household"
)

// settingCommands are what a family sets up once and changes rarely.
func (a *app) settingCommands() []*cobra.Command {
	return append([]*cobra.Command{
		a.bedtimeCommand(), a.homeworkCommand(), a.searchCommand(), a.youTubeCommand(), a.ticketsCommand(),
		a.holidaysCommand(), a.overlaysCommand(), a.backupCommand(), a.restoreCommand(), a.eraseCommand(), a.takeCommand(), a.tellCommand(), a.activityCommand(),
	}, a.pagesCommands()...)
}

// personCommand is a command that changes something for the person who is its
// first argument.
func (a *app) personCommand(use, short, example string, args cobra.PositionalArgs, set func(h *household.Household, p *household.Person, args []string) (done string, err error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: args,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				p, err := person(h, args[0])
				if err != nil {
					return "", err
				}
				return set(h, p, args[1:])
			})
		},
	}
}

func (a *app) bedtimeCommand() *cobra.Command {
	return a.personCommand("bedtime PERSON HOURS...|none|default", "Say when a person sleeps",
		"  treehouse bedtime Ben school=21:30-06:30 free=23:00-08:00", atLeast(2, "PERSON", "HOURS, none or default"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			if len(args) > 1 && (args[0] == "none" || args[0] == "default") {
				return "", &usageError{fmt.Errorf("%q stands alone", args[0])}
			}
			switch args[0] {
			case "none":
				return p.Name + " has no bedtime.", h.SetNights(p.ID, []household.Hours{})
			case "default":
				return p.Name + " sleeps as at their age.", h.SetNights(p.ID, nil)
			}
			nights, err := parseHours(args)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s sleeps %s.", p.Name, strings.Join(args, ", ")), h.SetNights(p.ID, nights)
		})
}

func (a *app) homeworkCommand() *cobra.Command {
	return a.personCommand("homework PERSON HOURS...|none", "Say when social media, games and video pause for homework",
		"  treehouse homework Ben school=16:00-18:00", atLeast(2, "PERSON", "HOURS or none"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			if args[0] == "none" {
				return p.Name + " has no homework time.", h.SetHomework(p.ID, nil)
			}
			hours, err := parseHours(args)
			if err != nil {
				return "", err
			}
			var work []household.Homework
			for _, at := range hours {
				work = append(work, household.Homework{Days: at.Days, From: at.From, To: at.To})
			}
			return fmt.Sprintf("%s has quiet for homework %s.", p.Name, strings.Join(args, ", ")), h.SetHomework(p.ID, work)
		})
}

// parseHours reads "21:00-06:30", or with the days it is for: "school=21:00-06:30".
func parseHours(args []string) ([]household.Hours, error) {
	var all []household.Hours
	for _, s := range args {
		var h household.Hours
		days, hours, named := strings.Cut(s, "=")
		if !named {
			days, hours = "all", s
		}
		from, to, ok := strings.Cut(hours, "-")
		err := h.Days.UnmarshalText([]byte(days))
		if err == nil && ok {
			if h.From, err = household.ParseClock(from); err == nil {
				h.To, err = household.ParseClock(to)
			}
		}
		if err != nil || !ok {
			return nil, &usageError{errors.Join(fmt.Errorf("%q is not a stretch of hours; write 21:00-06:30, or school=21:00-06:30 free=22:00-08:00", s), err)}
		}
		all = append(all, h)
	}
	return all, nil
}

func (a *app) searchCommand() *cobra.Command {
	return a.personCommand("search PERSON forced|choice|off", "Make search engines answer in their safe mode", "", exactly("PERSON", "forced, choice or off"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			return fmt.Sprintf("Safe search for %s: %s.", p.Name, args[0]), h.SetSearch(p.ID, household.Search(args[0]))
		})
}

func (a *app) youTubeCommand() *cobra.Command {
	return a.personCommand("youtube PERSON strict|moderate|off", "Choose the mode that YouTube answers in", "", exactly("PERSON", "strict, moderate or off"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			return fmt.Sprintf("YouTube's restricted mode for %s: %s.", p.Name, args[0]), h.SetYouTube(p.ID, household.YouTube(args[0]))
		})
}

func (a *app) ticketsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "tickets", Short: "Time that a child may take when they like", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.read(func(h *household.Household) error {
				tickets := map[string][]household.Ticket{}
				for _, p := range h.People {
					if len(p.Tickets) > 0 {
						tickets[p.Name] = p.Tickets
					}
				}
				return a.print(tickets, func(w io.Writer) { printTickets(w, h) })
			})
		},
	}
	var of string
	give := a.personCommand("give PERSON LENGTH", "Give a ticket", "  treehouse tickets give Ben 30m --of group:gaming", exactly("PERSON", "LENGTH"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			length, err := time.ParseDuration(args[0])
			if err != nil || length < time.Minute {
				return "", &usageError{fmt.Errorf("%q is not a length of time; write 15m, 30m or 1h", args[0])}
			}
			if of != household.ExceptNight {
				if err := a.checkSubject(of); err != nil {
					return "", err
				}
			}
			ticket := household.Ticket{Minutes: int(length / time.Minute), Of: of}
			return fmt.Sprintf("%s has a ticket for %d minutes.", p.Name, ticket.Minutes), h.GiveTicket(p.ID, ticket, a.now())
		})
	give.Flags().StringVar(&of, "of", household.ExceptNight, `of what: "night", a service, or "group:gaming"`)
	c.AddCommand(give, a.personCommand("redeem PERSON NUMBER", "Use a ticket", "", exactly("PERSON", "NUMBER"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return "", &usageError{fmt.Errorf("%q is not the number of a ticket; `treehouse tickets` lists them", args[0])}
			}
			name := p.Name
			until, err := h.Redeem(p.ID, n-1, a.now())
			return name + " has more time" + untilWords(until, h.Zone()) + ".", err
		}))
	return c
}

func printTickets(w io.Writer, h *household.Household) {
	if !slices.ContainsFunc(h.People, func(p household.Person) bool { return len(p.Tickets) > 0 }) {
		fmt.Fprintln(w, "Nobody has a ticket. `treehouse tickets give Ana 30m` gives one.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHO\tNUMBER\tMINUTES\tOF")
	for _, p := range h.People {
		for i, ticket := range p.Tickets {
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", p.Name, i+1, ticket.Minutes, ticket.Of)
		}
	}
	t.Flush()
}

func (a *app) holidaysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "holidays", Short: "The days without school", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.read(func(h *household.Household) error {
				return a.print(h.Settings.Holidays, func(w io.Writer) {
					if len(h.Settings.Holidays) == 0 {
						fmt.Fprintln(w, "No holidays are known. `treehouse holidays add Christmas 2026-12-23 2027-01-06` adds some.")
					}
					for _, d := range h.Settings.Holidays {
						fmt.Fprintf(w, "%s to %s  %s\n", d.First, d.Last, d.Name)
					}
				})
			})
		},
	}
	c.AddCommand(&cobra.Command{
		Use: "add NAME FIRST LAST", Short: "Add days without school", Example: "  treehouse holidays add Christmas 2026-12-23 2027-01-06", Args: exactly("NAME", "FIRST", "LAST"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				first, err := household.ParseDate(args[1])
				if err != nil {
					return "", &usageError{err}
				}
				last, err := household.ParseDate(args[2])
				if err != nil {
					return "", &usageError{err}
				}
				days := append(h.Settings.Holidays[:len(h.Settings.Holidays):len(h.Settings.Holidays)], household.Holiday{Name: household.CleanName(args[0]), First: first, Last: last})
				return "Added.", h.SetHolidays(days)
			})
		},
	}, &cobra.Command{
		Use: "import FILE", Short: "Take the days from a calendar (iCalendar, .ics), in place of all that are there", Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("%s cannot be read: %s", args[0], cause(err))
			}
			defer file.Close()
			return a.change(func(h *household.Household) (string, error) {
				days, err := household.ReadHolidays(file, household.DateOf(a.now().In(h.Zone())))
				if err != nil {
					return "", fmt.Errorf("%s: %w", args[0], err)
				}
				return fmt.Sprintf("%d holidays are known.", len(days)), h.SetHolidays(days)
			})
		},
	}, &cobra.Command{
		Use: "clear", Short: "Forget all holidays", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.change(func(h *household.Household) (string, error) { return "No holidays are known.", h.SetHolidays(nil) })
		},
	})
	return c
}

func (a *app) overlaysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "overlays", Short: "What a country's law says beyond our defaults; none is in force until a parent says so", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.print(household.Overlays(), func(w io.Writer) {
				for _, o := range household.Overlays() {
					fmt.Fprintf(w, "%s  %s\n    %s\n", o.ID, o.Title, o.Law)
				}
			})
		},
	}
	for _, on := range []bool{true, false} {
		word := map[bool]string{true: "on", false: "off"}[on]
		c.AddCommand(&cobra.Command{
			Use: word + " ID", Short: "Turn an overlay " + word, Args: exactly("ID"),
			RunE: func(_ *cobra.Command, args []string) error {
				return a.change(func(h *household.Household) (string, error) {
					return fmt.Sprintf("The overlay %s is %s.", args[0], word), h.SetOverlay(args[0], on)
				})
			},
		})
	}
	return c
}

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Write everything about the family to a file that any Treehouse can read", Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withFamily(func(f *household.Family) error {
				file, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return fmt.Errorf("%s cannot be written: %s", args[0], cause(err))
				}
				err = errors.Join(f.Backup(file), file.Sync(), file.Close())
				if err != nil {
					os.Remove(args[0])
					return err
				}
				return a.done("The family is in " + args[0] + ". Keep it where only you can read it.")
			})
		},
	}
}

// maxBackup is the largest backup in bytes that is read: ten times what a full
// household takes.
const maxBackup = 16 << 20

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in place of the family that is here", Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withFamily(func(f *household.Family) error {
				file, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("%s cannot be read: %s", args[0], cause(err))
				}
				defer file.Close()
				if err := f.Restore(io.LimitReader(file, maxBackup)); err != nil {
					return fmt.Errorf("%s: %w; the family is as it was", args[0], err)
				}
				return a.done(fmt.Sprintf("The family is back: %d people, %d devices.", len(f.Household().People), len(f.Household().Devices)))
			})
		},
	}
}

func (a *app) eraseCommand() *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use: "erase", Short: "Erase everything about the family", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			if !sure {
				return &usageError{errors.New("this erases all people, devices and rules for good; say --yes if you mean it")}
			}
			return a.withFamily(func(f *household.Family) error {
				if err := f.Erase(); err != nil {
					return err
				}
				return a.done("Nothing about the family is left. Every device has the default profile.")
			})
		},
	}
	c.Flags().BoolVar(&sure, "yes", false, "really")
	return c
}

func (a *app) takeCommand() *cobra.Command {
	if tiny {
		return leftOut("take")
	}
	var band string
	readers := map[string]func(io.Reader) (*household.Foreign, error){
		"adguardhome": func(r io.Reader) (*household.Foreign, error) { return household.ReadAdGuardHome(r, a.isService) },
		"pihole":      household.ReadPiHole,
	}
	c := &cobra.Command{
		Use: "take adguardhome|pihole FILE", Short: "Take clients, rules and services over from another program's configuration",
		Example: "  treehouse take adguardhome AdGuardHome.yaml --band 10-12\n  treehouse take pihole teleporter.tar.gz", Args: exactly("adguardhome or pihole", "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			read, ok := readers[args[0]]
			if !ok {
				return &usageError{fmt.Errorf("%q is no program we can read; it is adguardhome or pihole", args[0])}
			}
			file, err := os.Open(args[1])
			if err != nil {
				return fmt.Errorf("%s cannot be read: %s", args[1], cause(err))
			}
			defer file.Close()
			foreign, err := read(file)
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			return a.change(func(h *household.Household) (string, error) {
				done := fmt.Sprintf("Taken: %d clients, %d sites allowed, %d blocked.", len(foreign.Clients), len(foreign.Allow), len(foreign.Block))
				for _, list := range foreign.Lists {
					done += fmt.Sprintf("\nAdd this list to lists.sources with a topic, if you want it: %s %s", list.Name, list.URL)
				}
				for _, left := range foreign.Left {
					done += "\nLeft: " + left
				}
				return done, h.Take(foreign, household.BandID(band), a.now())
			})
		},
	}
	c.Flags().StringVar(&band, "band", string(household.DefaultBand), "age band of those who were marked as children")
	return c
}

func (a *app) tellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "tell nothing|who|what", Short: "Choose how much of a child's request may leave the home", Args: exactly("nothing, who or what"),
		RunE: func(_ *cobra.Command, args []string) error {
			done, ok := map[string]string{
				"nothing": "Requests wait on the pages.", "who": "A parent is told who asks.", "what": "A parent is told who asks for what.",
			}[args[0]]
			if !ok {
				return &usageError{fmt.Errorf("%q does not say what to tell; it is nothing, who or what", args[0])}
			}
			return a.change(func(h *household.Household) (string, error) {
				tell := household.Tell(args[0])
				if args[0] == "nothing" {
					tell = household.TellNothing
				}
				return done, h.SetTell(tell)
			})
		},
	}
}

// withFamily runs fn on the family.
func (a *app) withFamily(fn func(*household.Family) error) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	family, _, err := a.openFamily(c, nil)
	if err != nil {
		return err
	}
	return inFolder(c, fn(family))
}

func (a *app) done(what string) error {
	return a.print(map[string]string{"done": what}, func(w io.Writer) { fmt.Fprintln(w, what) })
}

// atLeast asks for n arguments or more.
func atLeast(n int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return exactly(names...)(cmd, args)
	}
}
