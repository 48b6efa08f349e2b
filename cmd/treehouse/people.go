package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/household"
)

func (a *app) peopleCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "people", Short: "Who lives here, and how old they are", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			return a.read(func(h *household.Household) error {
				return a.print(h.People, func(w io.Writer) { a.printPeople(w, h, c.Storage.Dir) })
			})
		},
	}
	var age int
	var born, band string
	add := &cobra.Command{
		Use: "add NAME", Short: "Add a person: --age 9, --born 2017-03 or --band adult", Args: exactly("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				p := household.Person{Name: args[0], Band: household.BandID(band)}
				now := a.now().In(h.Zone())
				switch {
				case born != "":
					if err := p.Born.UnmarshalText([]byte(born)); err != nil {
						return "", &usageError{err}
					}
				case age > maxAge:
					return "", &usageError{fmt.Errorf("nobody is %d years old", age)}
				case age >= 0:
					p.Born = household.BornAgo(age, now)
				case band == "":
					return "", &usageError{fmt.Errorf("how old is %s? Say --age 9, --born 2017-03 or --band adult", args[0])}
				}
				if years, ok := p.Born.Age(now); ok && band == "" {
					p.Band = h.Bands().ForAge(years).ID
				}
				added, err := h.AddPerson(p)
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%s is here, under the rules of age %s.", added.Name, added.Band), nil
			})
		},
	}
	add.Flags().IntVar(&age, "age", -1, "age in years")
	add.Flags().StringVar(&born, "born", "", "year, or year and month, of birth")
	add.Flags().StringVar(&band, "band", "", "age band, whatever the age: 0-5, 6-9, 10-12, 13-15, 16-17, adult")
	c.AddCommand(add, a.personCommand("band NAME BAND", "Put a person under the rules of another age", "", exactly("NAME", "BAND"),
		func(h *household.Household, p *household.Person, args []string) (string, error) {
			return fmt.Sprintf("%s is under the rules of age %s.", p.Name, args[0]), h.SetBand(p.ID, household.BandID(args[0]))
		}), &cobra.Command{
		Use: "remove NAME", Short: "Remove a person; their devices get the default profile", Args: exactly("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				p, err := person(h, args[0])
				if err != nil {
					return "", err
				}
				name := p.Name
				h.RemovePerson(p.ID)
				return name + " is removed. Their devices have the default profile now.", nil
			})
		},
	})
	return c
}

// maxAge in years is older than anybody.
const maxAge = 130

func (a *app) printPeople(w io.Writer, h *household.Household, folder string) {
	if len(h.People) == 0 {
		fmt.Fprintf(w, "Nobody yet in %s. `treehouse people add Ana --age 9` adds somebody.\n", folder)
		return
	}
	now := a.now()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tAGE\tRULES\tDEVICES\tNOW")
	for _, p := range h.People {
		age := "-"
		if years, ok := p.Born.Age(now); ok {
			age = strconv.Itoa(years)
		}
		var devices []string
		for _, d := range h.DevicesOf(p.ID) {
			devices = append(devices, d.Name)
		}
		state := "-"
		if s := h.State(p.ID, now); s.Is != household.IsOpen {
			state = string(s.Is) + untilWords(s.Until, h.Zone())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.Name, age, p.Band, strings.Join(devices, ", "), state)
	}
	t.Flush()
}

func (a *app) devicesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "devices", Short: "What is on the network, and whose it is", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.read(func(h *household.Household) error {
				return a.print(h.Devices, func(w io.Writer) { printDevices(w, h) })
			})
		},
	}
	var whose string
	var addrs, macs []string
	add := &cobra.Command{
		Use: "add NAME", Short: "Add a device by --address or --mac, and say whose it is", Args: exactly("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				d := household.Device{Name: args[0]}
				for _, s := range addrs {
					addr, err := netip.ParseAddr(s)
					if err != nil {
						return "", &usageError{fmt.Errorf("%q is not an address, such as 192.168.1.20", s)}
					}
					d.Addrs = append(d.Addrs, addr)
				}
				for _, s := range macs {
					mac, err := household.ParseMAC(s)
					if err != nil {
						return "", &usageError{err}
					}
					d.MACs = append(d.MACs, mac)
				}
				if len(addrs)+len(macs) == 0 {
					return "", &usageError{fmt.Errorf("how is %s known? Say --address 192.168.1.20 or --mac 02:00:00:00:00:01", args[0])}
				}
				if whose != "" {
					p, err := person(h, whose)
					if err != nil {
						return "", err
					}
					d.Person = p.ID
				}
				added, err := h.AddDevice(d)
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%s is known.", added.Name), nil
			})
		},
	}
	c.AddCommand(a.logCommand())
	add.Flags().StringVar(&whose, "person", "", "whose it is")
	add.Flags().StringSliceVar(&addrs, "address", nil, "address it keeps")
	add.Flags().StringSliceVar(&macs, "mac", nil, "its hardware address")
	c.AddCommand(add, &cobra.Command{
		Use: "assign DEVICE PERSON", Short: "Say whose a device is; \"nobody\" gives it the default profile", Args: exactly("DEVICE", "PERSON"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				d, err := device(h, args[0])
				if err != nil {
					return "", err
				}
				if strings.EqualFold(args[1], household.Nobody) {
					return d.Name + " has the default profile now.", h.Assign(d.ID, 0)
				}
				p, err := person(h, args[1])
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%s is %s's now.", d.Name, p.Name), h.Assign(d.ID, p.ID)
			})
		},
	}, &cobra.Command{
		Use: "merge DEVICE OTHER", Short: "Say that two devices are one: the second becomes part of the first", Args: exactly("DEVICE", "OTHER"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				into, err := device(h, args[0])
				if err != nil {
					return "", err
				}
				from, err := device(h, args[1])
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%s and %s are one device.", into.Name, from.Name), h.Merge(into.ID, from.ID)
			})
		},
	}, a.keepCommand(), a.awayCommand(), &cobra.Command{
		Use: "default BAND", Short: "Choose the rules for devices nobody has assigned", Args: exactly("BAND"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				return "New devices have the rules of age " + args[0] + ".", h.SetDefault(household.BandID(args[0]))
			})
		},
	}, &cobra.Command{
		Use: "remove DEVICE", Short: "Forget a device", Args: exactly("DEVICE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				d, err := device(h, args[0])
				if err != nil {
					return "", err
				}
				name := d.Name
				return name + " is forgotten.", h.RemoveDevice(d.ID)
			})
		},
	})
	return c
}

func (a *app) keepCommand() *cobra.Command {
	var off bool
	c := &cobra.Command{
		Use: "keep DEVICE", Short: "Let a device keep its connection: neither a pause nor a night is meant for it", Args: exactly("DEVICE"),
		Example: "  treehouse devices keep thermostat\n  treehouse devices keep thermostat --off",
		RunE: func(_ *cobra.Command, args []string) error {
			return a.change(func(h *household.Household) (string, error) {
				d, err := device(h, args[0])
				if err != nil {
					return "", err
				}
				done := " keeps its connection when others are paused or in bed."
				if off {
					done = " is paused and goes to bed like any other."
				}
				return d.Name + done, h.KeepConnection(d.ID, !off)
			})
		},
	}
	c.Flags().BoolVar(&off, "off", false, "no longer")
	return c
}

func printDevices(w io.Writer, h *household.Household) {
	if len(h.Devices) == 0 {
		fmt.Fprintln(w, "None yet. `treehouse devices add \"Ana's tablet\" --address 192.168.1.20 --person Ana` adds one.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tPERSON\tPAUSES\tKNOWN BY")
	for _, d := range h.Devices {
		whose := "-"
		if p := h.Person(d.Person); p != nil {
			whose = p.Name
		}
		var by []string
		for _, addr := range d.Addrs {
			by = append(by, addr.String())
		}
		for _, mac := range d.MACs {
			by = append(by, mac.String())
		}
		if d.Away != "" {
			by = append(by, "away")
		}
		pauses := "yes"
		if d.Keeps {
			pauses = "never"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", d.ID, d.Name, whose, pauses, strings.Join(by, ", "))
	}
	t.Flush()
}

// device finds a device by name or number.
func device(h *household.Household, name string) (*household.Device, error) {
	if id, err := strconv.ParseUint(name, 10, 32); err == nil {
		if d := h.Device(household.DeviceID(id)); d != nil {
			return d, nil
		}
	}
	for i := range h.Devices {
		if strings.EqualFold(h.Devices[i].Name, name) {
			return &h.Devices[i], nil
		}
	}
	return nil, &usageError{fmt.Errorf("there is no device called %s; `treehouse devices` lists them", name)}
}

// read runs fn on the household as it is.
func (a *app) read(fn func(h *household.Household) error) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	h, err := a.household(c)
	if err != nil {
		return err
	}
	return inFolder(c, fn(h))
}

// household is the one that is kept; where nothing is, one without people, and
// nothing is made: the folder may be mistyped.
func (a *app) household(c *Config) (*household.Household, error) {
	path := filepath.Join(c.Storage.Dir, "household.db")
	if missing(path) && missing(path+".backup") {
		return household.New(household.DefaultBands(), c.Time.Zone), nil
	}
	family, _, err := a.openFamily(c, nil)
	if err != nil {
		return nil, err
	}
	return family.Household(), nil
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// change alters the household and prints what fn says was done. A running
// Treehouse sees the change by itself.
func (a *app) change(fn func(h *household.Household) (done string, err error)) error {
	var done string
	err := a.alter(func(h *household.Household) (err error) {
		done, err = fn(h)
		return err
	})
	if err != nil {
		return err
	}
	return a.done(done)
}

// alter is change for who prints something else than a sentence.
func (a *app) alter(fn func(h *household.Household) error) error {
	return a.withFamily(func(f *household.Family) error {
		if err := f.Change(fn); err != nil {
			return err
		}
		if err := f.SaveBackup(); err != nil { // people do not type often: flash can bear it
			fmt.Fprintf(a.errs, "treehouse: the change is made, but not backed up: %v\n", err)
		}
		return nil
	})
}
