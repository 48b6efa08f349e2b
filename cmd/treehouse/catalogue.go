package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

func (a *app) catalogueCommand() *cobra.Command {
	if tiny {
		return leftOut("catalogue")
	}
	c := &cobra.Command{
		Use: "catalogue", Short: "The services and topics that rules are about: show, replace, check, export", Args: oneOfItsCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.catalogueShow(), a.catalogueUpdate(), a.catalogueVerify(), a.catalogueExport())
	return c
}

// catalogueView is an edition as it is printed.
type catalogueView struct {
	Edition    string    `json:"edition"`
	Number     uint64    `json:"number,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
	From       string    `json:"from,omitempty"`
	Services   int       `json:"services"`
	Groups     int       `json:"groups"`
	Categories int       `json:"categories"`
	Names      int       `json:"names"`
	Gone       []string  `json:"gone,omitempty"` // services that rules name and it does not have

	Taken   time.Time `json:"taken,omitzero"`
	Checked time.Time `json:"checked,omitzero"`
	Result  string    `json:"result,omitempty"`
	Problem string    `json:"problem,omitempty"` // why the one that was taken is not in force
}

func newCatalogueView(e *catalogue.Edition, inUse []string) *catalogueView {
	v := &catalogueView{Edition: e.String(), Number: e.Number, Expires: e.Expires}
	groups := map[string]bool{}
	for _, t := range e.Topics() {
		switch {
		case t.Kind == filter.KindCategory:
			v.Categories++
		case t.Kind == filter.KindService && t.Group != "":
			v.Services++
			groups[t.Group] = true
		case t.Kind == filter.KindService && slices.Contains(inUse, t.ID):
			v.Gone = append(v.Gone, t.ID)
		}
	}
	v.Groups = len(groups)
	names := map[string]bool{} // an edition may say again what is built in
	e.Entries(func(topic string, name filter.Name, _ filter.Mode) bool {
		names[topic+string(name)] = true
		return true
	})
	v.Names = len(names)
	return v
}

func (a *app) printCatalogue(w io.Writer, v *catalogueView) {
	fmt.Fprintf(w, "%s: %d services in %d groups, %d categories, %d names.\n", v.Edition, v.Services, v.Groups, v.Categories, v.Names)
	if !v.Expires.IsZero() {
		state := "expires"
		if !a.now().Before(v.Expires) {
			state = "expired"
		}
		fmt.Fprintf(w, "It %s on %s.\n", state, v.Expires.AddDate(0, 0, -1).Format("2 January 2006"))
	}
	for _, id := range v.Gone {
		fmt.Fprintf(w, "It does not have %s any more; the rules that name it go on holding.\n", id)
	}
}

func (a *app) catalogueShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show which catalogue is in force", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			config, err := a.config()
			if err != nil {
				return err
			}
			l, err := a.openLibrary(config)
			if err != nil {
				return err
			}
			e, damaged := l.Catalogue()
			v := newCatalogueView(e, a.topicsOfRules(config))
			if damaged != nil {
				v.Problem = damaged.Error()
			}
			if r := config.Lists.Catalogue; r.Path != "" || r.URL != "" {
				s, err := l.CatalogueState()
				if err != nil {
					return err
				}
				v.From, v.Taken, v.Checked, v.Result = s.From, s.Taken, s.Checked, s.Result
			}
			return a.print(v, func(w io.Writer) {
				a.printCatalogue(w, v)
				if v.From != "" {
					fmt.Fprintf(w, "From %s, taken %s ago, checked %s ago: %s\n", v.From, a.age(v.Taken), a.age(v.Checked), v.Result)
				} else if v.Result != "" {
					fmt.Fprintf(w, "Checked %s ago: %s\n", a.age(v.Checked), v.Result)
				}
				if v.Problem != "" {
					fmt.Fprintln(w, v.Problem)
				}
			})
		},
	}
}

// errNoCatalogue says that there is nothing to update from.
var errNoCatalogue = errors.New("the built-in catalogue is in force, and lists.catalogue in the configuration names no other")

func (a *app) catalogueUpdate() *cobra.Command {
	return &cobra.Command{
		Use: "update", Short: "Take what is new from lists.catalogue, now, and put it in force", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLists(func(config *Config, l *blocklists.Library) error { return a.updateCatalogue(cmd.Context(), l, config) })
		},
	}
}

func (a *app) updateCatalogue(ctx context.Context, l *blocklists.Library, config *Config) error {
	if r := config.Lists.Catalogue; r.Path == "" && r.URL == "" {
		return errNoCatalogue
	}
	result, err := l.UpdateCatalogue(ctx, blocklists.UpdateOptions{Force: true})
	if err == nil {
		err = result.Err
	}
	if err != nil {
		return err
	}
	if err := a.buildForCatalogue(ctx, l, result.Outcome == blocklists.Updated); err != nil {
		return err
	}
	e, err := l.Catalogue()
	if err != nil {
		return err
	}
	v := newCatalogueView(e, a.topicsOfRules(config))
	v.Result = string(result.Outcome)
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "%s (%d names new, %d gone)\n", result.Outcome, result.Report.Added, result.Report.Removed)
		printRefused(w, result.Report)
		a.printCatalogue(w, v)
	})
}

// buildForCatalogue compiles the lists if there is something new, or if they were
// compiled with another catalogue: after an upgrade of the program, or of the
// configuration. What was compiled from one that is damaged now is better kept.
func (a *app) buildForCatalogue(ctx context.Context, l *blocklists.Library, isNew bool) error {
	e, damaged := l.Catalogue()
	last, err := l.LastBuild()
	if err != nil {
		return err
	}
	if isNew || damaged == nil && last.Number > 0 && last.Catalogue.String() != e.String() {
		_, err = l.Build(ctx)
	}
	return err
}

func (a *app) catalogueVerify() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "verify PATH", Short: "Check a catalogue as an update would, and change nothing", Args: exactly("PATH"),
		Long: `Check a catalogue as an update would, and change nothing: its lines, that
services keep apart, and with a key its signature, which lies beside it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := a.config()
			if err != nil {
				return err
			}
			other := *config
			other.Lists.Catalogue = CatalogueSource{Path: args[0], Key: key}
			l, err := a.openLibrary(&other)
			if err != nil {
				return err
			}
			e, report, err := l.ReadEdition(cmd.Context())
			if err != nil {
				return err
			}
			v := newCatalogueView(e, a.topicsOfRules(config))
			v.From = args[0]
			return a.print(v, func(w io.Writer) {
				printRefused(w, report)
				a.printCatalogue(w, v)
				fmt.Fprintf(w, "It is sound; beside what is in force %d names are new and %d gone.\n", report.Added, report.Removed)
			})
		},
	}
	c.Flags().StringVar(&key, "key", "", "the minisign public key that it has to be signed with")
	return c
}

// aboutOfExport is the edition.txt of an export, for its editor to fill in.
const aboutOfExport = `# What this catalogue says of itself; treehouse lists catalogue verify reads it.
title: My catalogue
# Raise it with each edition.
number: 1
# expires: 2030-12-31
`

func (a *app) catalogueExport() *cobra.Command {
	return &cobra.Command{
		Use: "export FOLDER", Short: "Write the built-in catalogue into a new folder, to edit it", Args: exactly("FOLDER"),
		Example: `  treehouse lists catalogue export mine
  (edit mine/services.txt)
  treehouse lists catalogue verify mine
  tar czf mine.tar.gz mine && minisign -S -m mine.tar.gz`,
		RunE: func(_ *cobra.Command, args []string) error {
			err := os.Mkdir(args[0], 0o755)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s is there already; name a folder that does not exist yet", args[0])
			}
			if err != nil {
				return fmt.Errorf("%s cannot be made: %s", args[0], cause(err))
			}
			files := append(catalogue.BuiltIn().Files(), catalogue.File{Name: catalogue.AboutFile, Text: aboutOfExport})
			for _, f := range files {
				if err := os.WriteFile(filepath.Join(args[0], f.Name), []byte(f.Text), 0o644); err != nil {
					return err
				}
			}
			return a.print(map[string]any{"folder": args[0], "files": len(files)}, func(w io.Writer) {
				fmt.Fprintf(w, "%d files in %s.\n", len(files), args[0])
			})
		},
	}
}
