package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/household"
)

// ruleCommands are what a parent says about one person, now or for good.
func (a *app) ruleCommands() []*cobra.Command {
	return []*cobra.Command{
		a.pauseCommand(), a.resumeCommand(), a.nameCommand("allow", true), a.nameCommand("block", false),
		a.forgetCommand(), a.switchCommand(), a.moreTimeCommand(), a.requestsCommand(),
	}
}

func (a *app) pauseCommand() *cobra.Command {
	var length time.Duration
	var until string
	c := &cobra.Command{
		Use: "pause PERSON", Short: "Stop everything but helplines for a person, or for everyone", Args: exactly("PERSON"),
		Long:    "Stop everything but helplines and emergency for PERSON, or for all where PERSON is everyone.",
		Example: "  treehouse pause Ana --for 30m\n  treehouse pause everyone --until 18:00",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				now := a.now().In(h.Zone())
				end, err := ends(cmd, length, until, now)
				if err != nil {
					return "", err
				}
				if strings.EqualFold(args[0], household.Everyone) {
					return "Everyone is paused" + untilWords(end, h.Zone()) + ".", h.PauseEveryone(now, end)
				}
				p, err := person(h, args[0])
				if err != nil {
					return "", err
				}
				return p.Name + " is paused" + untilWords(end, h.Zone()) + ".", h.Pause(p.ID, now, end)
			})
		},
	}
	c.Flags().DurationVar(&length, "for", 0, "how long, such as 30m; without it, until resumed")
	c.Flags().StringVar(&until, "until", "", `until when, such as "18:00"`)
	return c
}

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resume PERSON", Short: "End a pause", Args: exactly("PERSON"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				if strings.EqualFold(args[0], household.Everyone) {
					h.ResumeEveryone()
					return "Nobody is paused but those who were paused alone.", nil
				}
				p, err := person(h, args[0])
				if err != nil {
					return "", err
				}
				return p.Name + " is not paused.", h.Resume(p.ID)
			})
		},
	}
}

// nameCommand is allow or block: a rule of one's own about a site.
func (a *app) nameCommand(verb string, allow bool) *cobra.Command {
	var who, until, why string
	var length time.Duration
	c := &cobra.Command{
		Use: verb + " SITE", Short: strings.ToUpper(verb[:1]) + verb[1:] + " a site and all below it for a person", Args: exactly("SITE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				now := a.now().In(h.Zone())
				end, err := ends(cmd, length, until, now)
				if err != nil {
					return "", err
				}
				p, err := person(h, who)
				if err != nil {
					return "", err
				}
				site, err := household.Site(hostOf(args[0]))
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%s: %sed for %s%s.", site, verb, p.Name, untilWords(end, h.Zone())), h.SetName(p.ID, site, allow, now, end, why)
			})
		},
	}
	forPerson(c, &who)
	c.Flags().DurationVar(&length, "for", 0, "how long, such as 1h; without it, always")
	c.Flags().StringVar(&until, "until", "", `until when, such as "18:00"`)
	c.Flags().StringVar(&why, "why", "", "a few words for the person to read")
	return c
}

func (a *app) forgetCommand() *cobra.Command {
	var who string
	c := &cobra.Command{
		Use: "forget SITE", Short: "Take back what allow or block said about a site", Args: exactly("SITE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				p, err := person(h, who)
				if err != nil {
					return "", err
				}
				site, err := household.Site(hostOf(args[0]))
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%s: the rules of %s's age decide.", site, p.Name), h.ForgetName(p.ID, site)
			})
		},
	}
	forPerson(c, &who)
	return c
}

func (a *app) switchCommand() *cobra.Command {
	var who string
	c := &cobra.Command{
		Use: "switch SUBJECT on|off|default", Short: "Turn a service, a category or a group on or off for a person", Args: exactly("SUBJECT", "on, off or default"),
		Long:    "A subject is a service or category by its id, or a group of services: tiktok, gambling, group:social.",
		Example: "  treehouse switch tiktok off --person Ben",
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				p, err := person(h, who)
				if err != nil {
					return "", err
				}
				if err := a.checkSubject(args[0]); err != nil && args[1] != "default" { // what is gone can be cleared
					return "", err
				}
				switch args[1] {
				case "on", "off":
					return fmt.Sprintf("%s is %s for %s.", args[0], args[1], p.Name), h.SetSwitch(p.ID, args[0], args[1] == "on")
				case "default":
					return fmt.Sprintf("%s: the rules of %s's age decide.", args[0], p.Name), h.ClearSwitch(p.ID, args[0])
				}
				return "", &usageError{fmt.Errorf("%q is none of on, off and default", args[1])}
			})
		},
	}
	forPerson(c, &who)
	return c
}

func (a *app) moreTimeCommand() *cobra.Command {
	var who, of string
	c := &cobra.Command{
		Use: "more-time LENGTH", Short: "Give a person more time: of the evening, a group or a service", Args: exactly("LENGTH"),
		Example: "  treehouse more-time 30m --person Ben --of group:gaming",
		RunE: func(_ *cobra.Command, args []string) error {
			length, err := time.ParseDuration(args[0])
			if err != nil || length <= 0 {
				return &usageError{fmt.Errorf("%q is not a length of time; write 15m, 30m or 1h", args[0])}
			}
			return a.change(func(h *household.Household) (string, error) {
				p, err := person(h, who)
				if err != nil {
					return "", err
				}
				if of != household.ExceptNight {
					if err := a.checkSubject(of); err != nil {
						return "", err
					}
				}
				until, err := h.MoreTime(p.ID, of, length, a.now(), "more time")
				return p.Name + " has more time" + untilWords(until, h.Zone()) + ".", err
			})
		},
	}
	forPerson(c, &who)
	c.Flags().StringVar(&of, "of", household.ExceptNight, `of what: "night", a service, or "group:gaming"`)
	return c
}

func (a *app) requestsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "requests", Short: "What the children ask for", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.read(func(h *household.Household) error {
				return a.print(h.Requests, func(w io.Writer) { printRequests(w, h) })
			})
		},
	}
	var length time.Duration
	var until, words string
	answer := func(verb, short string, allow bool) *cobra.Command {
		one := &cobra.Command{
			Use: verb + " NUMBER", Short: short, Args: exactly("NUMBER"),
			RunE: func(cmd *cobra.Command, args []string) error {
				id, err := strconv.ParseUint(args[0], 10, 32)
				if err != nil {
					return &usageError{fmt.Errorf("%q is not the number of a request; `treehouse requests` lists them", args[0])}
				}
				return a.change(func(h *household.Household) (string, error) {
					now := a.now().In(h.Zone())
					end, err := ends(cmd, length, until, now)
					if err != nil {
						return "", err
					}
					done := "Answered."
					if r := h.Request(household.RequestID(id)); r != nil {
						done = "Answered: " + wish(*r) + "."
					}
					return done, h.AnswerRequest(household.RequestID(id), allow, now, end, words)
				})
			},
		}
		one.Flags().StringVar(&words, "words", "", "a few words for the child")
		return one
	}
	yes, no := answer("allow", "Say yes: for a while with --for or --until, else always", true), answer("decline", "Say not now", false)
	yes.Flags().DurationVar(&length, "for", 0, "how long, such as 1h")
	yes.Flags().StringVar(&until, "until", "", `until when, such as "18:00"`)
	c.AddCommand(yes, no)
	return c
}

func printRequests(w io.Writer, h *household.Household) {
	if len(h.Requests) == 0 {
		fmt.Fprintln(w, "Nobody is asking for anything.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NUMBER\tWHO\tWHAT\tWORDS\tANSWER")
	for _, r := range h.Requests {
		who, said := "-", "waiting"
		if p := h.Person(r.Person); p != nil {
			who = p.Name
		}
		switch {
		case r.Open():
		case r.Answer.Allow:
			said = "yes" + untilWords(r.Answer.Until, h.Zone())
		default:
			said = "not now"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", r.ID, who, wish(r), r.Words, said)
	}
	t.Flush()
}

// wish is what a request asks for.
func wish(r household.Request) string {
	if r.Site != "" {
		return r.Site
	}
	return howMany(int(r.Length), "minute") + " of " + r.Of
}

// forPerson gives a command the flag --person, which has to be given.
func forPerson(c *cobra.Command, who *string) {
	c.Flags().StringVar(who, "person", "", "for whom")
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("person") {
			return &usageError{fmt.Errorf("`%s` needs --person", cmd.CommandPath())}
		}
		return run(cmd, args)
	}
}
