package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
)

func (a *app) listsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "lists", Short: "What the names are about: import, update and show the lists", Args: oneOfItsCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.PersistentFlags().String(memoryFlag, "", "memory to work in, such as 16MiB; more is faster and gives the same bytes")
	c.AddCommand(a.listsImport(), a.listsUpdate(), a.listsBuild(), a.listsShow(), a.listsVerify(), a.listsRemove(), a.listsReport(), a.catalogueCommand())
	return c
}

func (a *app) listsImport() *cobra.Command {
	var source blocklists.Source
	var format string
	c := &cobra.Command{
		Use: "import FILE...", Short: "Import lists from files and put them in force",
		Long: `Import lists from files and put them in force. No internet is needed, and a
running Treehouse takes the new lists without a restart. A file that was
imported before is replaced. Archives of UT1 and of v2fly know their topics
themselves; every other list needs --topic.`,
		Example: `  treehouse lists import --topic adult hosts.txt
  treehouse lists import ut1/*.tar.gz`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{fmt.Errorf("`%s` takes at least one FILE", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if source.Format, err = blocklists.ParseFormat(format); err != nil {
				return &usageError{err}
			}
			return a.withLibrary(func(l *blocklists.Library) error {
				reports, err := l.Import(cmd.Context(), source, args)
				if len(reports) > 0 { // what was imported before an error counts
					if buildErr := a.build(cmd.Context(), l, reports); buildErr != nil {
						return buildErr
					}
				}
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&source.Topic, "topic", "", "what the names are about, such as adult or gambling")
	f.StringVar(&format, "format", "", "hosts, domains, wildcard, adblock, dnsmasq, rpz, ut1 or v2fly; found out if left out")
	f.StringVar(&source.ID, "id", "", "import all files as one source of this name; else each is its own")
	f.BoolVar(&source.Exact, "exact", false, "names do not stand for what is below them")
	return c
}

func (a *app) listsUpdate() *cobra.Command {
	var opt blocklists.UpdateOptions
	var scheduled bool
	c := &cobra.Command{
		Use: "update [SOURCE...]", Short: "Fetch what is new from the sources in the configuration",
		Long: `Ask the sources of lists.sources, or those that are named, whether there is
news, and fetch what is new. A source that was asked within the last minute is
left alone. What is there already is not fetched again, unless --force says so.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opt.Now = !scheduled
			return a.withLists(func(config *Config, l *blocklists.Library) error {
				return a.update(cmd.Context(), l, config, args, opt)
			})
		},
	}
	c.Flags().BoolVar(&scheduled, "scheduled", false, "only the sources whose time has come, as treehouse serve does it")
	c.Flags().BoolVar(&opt.Force, "force", false, "fetch whole, whether or not it is time")
	c.Flags().BoolVar(&opt.Accept, "accept", false, "take a list however much it has changed")
	return c
}

// update fetches the catalogue and the sources, or those that are named, and
// compiles what is new. The catalogue comes first: sources name its topics.
func (a *app) update(ctx context.Context, l *blocklists.Library, config *Config, named []string, opt blocklists.UpdateOptions) error {
	var results []blocklists.UpdateResult
	r := config.Lists.Catalogue
	hasCatalogue := r.Path != "" || r.URL != ""
	if hasCatalogue && (len(named) == 0 || slices.Contains(named, blocklists.CatalogueID)) {
		result, err := l.UpdateCatalogue(ctx, opt)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	for _, s := range configuredSources(config) {
		err := l.Add(ctx, s)
		switch {
		case err != nil && !hasCatalogue:
			return &ConfigError{"lists.sources", s.ID + ": " + err.Error()}
		case len(named) > 0 && !slices.Contains(named, s.ID):
		case err != nil: // about a topic of that catalogue, which could not be had yet
			results = append(results, blocklists.UpdateResult{ID: s.ID, Outcome: blocklists.Failed, Err: fmt.Errorf("source %q: %w", s.ID, err)})
		default:
			opt.IDs = append(opt.IDs, s.ID)
		}
	}
	stored, err := l.Sources()
	if err != nil {
		return err
	}
	for _, s := range stored { // no longer configured, and the next build needs it
		if s.Away && s.URL != "" && !slices.Contains(opt.IDs, s.ID) && (len(named) == 0 || slices.Contains(named, s.ID)) {
			opt.IDs = append(opt.IDs, s.ID)
		}
	}
	for _, id := range named {
		if !slices.Contains(opt.IDs, id) && !slices.ContainsFunc(results, func(r blocklists.UpdateResult) bool { return r.ID == id }) {
			return &usageError{fmt.Errorf("there is no source %q in lists.sources", id)}
		}
	}
	if len(opt.IDs) > 0 {
		ofSources, err := l.Update(ctx, opt)
		if err != nil {
			return err
		}
		results = append(results, ofSources...)
	}
	outdated, err := l.Outdated()
	if err != nil {
		return err
	}
	isNew := outdated || slices.ContainsFunc(results, func(r blocklists.UpdateResult) bool { return r.Outcome == blocklists.Updated })
	var away *blocklists.AwayError // why a source is, the results tell
	if err := a.buildForCatalogue(ctx, l, isNew); err != nil && !errors.As(err, &away) {
		return err
	}
	if len(results) == 0 {
		return a.print(updateResults(nil), func(w io.Writer) {
			fmt.Fprintln(w, "There is nothing to fetch: lists.sources in the configuration is empty.")
		})
	}
	failed := 0
	for _, r := range results {
		if r.Outcome == blocklists.Failed {
			failed++
		}
	}
	if err := a.print(updateResults(results), func(w io.Writer) { printResults(w, results) }); err != nil {
		return err
	}
	if failed > 0 && away != nil {
		return fmt.Errorf("%d of %s failed: %w", failed, howMany(len(results), "source"), away)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed; what is in force stays", failed, howMany(len(results), "source"))
	}
	if away != nil {
		return away
	}
	return nil
}

// updateResults is results as --json prints them.
func updateResults(results []blocklists.UpdateResult) []map[string]any {
	out := []map[string]any{}
	for _, r := range results {
		one := map[string]any{"id": r.ID, "outcome": r.Outcome, "report": r.Report}
		if r.Err != nil {
			one["error"] = r.Err.Error()
		}
		out = append(out, one)
	}
	return out
}

func printResults(w io.Writer, results []blocklists.UpdateResult) {
	for _, r := range results {
		switch r.Outcome {
		case blocklists.Updated:
			fmt.Fprintf(w, "%s: updated, %s (%d new, %d gone)\n", r.ID, howMany(r.Report.Entries, "name"), r.Report.Added, r.Report.Removed)
		case blocklists.Held:
			fmt.Fprintf(w, "%s: held: %d names new and %d gone is too much of a change; --accept takes it\n", r.ID, r.Report.Added, r.Report.Removed)
		case blocklists.Failed:
			fmt.Fprintf(w, "%s: %v\n", r.ID, r.Err)
		case blocklists.NotDue:
			fmt.Fprintf(w, "%s: asked too recently; --force asks again\n", r.ID)
		default:
			fmt.Fprintf(w, "%s: %s\n", r.ID, r.Outcome)
		}
	}
}

func (a *app) listsBuild() *cobra.Command {
	return &cobra.Command{
		Use: "build", Short: "Compile what is stored into the snapshot again", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLibrary(func(l *blocklists.Library) error { return a.build(cmd.Context(), l, nil) })
		},
	}
}

func (a *app) listsRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove SOURCE", Short: "Remove a source and its names", Args: exactly("SOURCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLibrary(func(l *blocklists.Library) error {
				sources, err := l.Sources()
				if err != nil {
					return err
				}
				if _, err := sourceOf(sources, args[0]); err != nil {
					return err
				}
				if err := l.Remove(cmd.Context(), args[0]); err != nil {
					return err
				}
				return a.build(cmd.Context(), l, nil)
			})
		},
	}
}

func (a *app) listsVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Read everything that is stored, and check that it is whole", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLibrary(func(l *blocklists.Library) error {
				if r := l.Recovered(); r != nil {
					return fmt.Errorf("%s; import or update the lists again", r)
				}
				problems, err := l.Verify(cmd.Context())
				if err = errors.Join(append(problems, err)...); err != nil {
					return err
				}
				trie, err := l.Snapshot()
				if err != nil {
					return err
				}
				return a.print(map[string]int{"names": trie.Names(), "bytes": trie.Size()}, func(w io.Writer) {
					fmt.Fprintf(w, "The lists are whole: %d names in force, in %d bytes.\n", trie.Names(), trie.Size())
				})
			})
		},
	}
}

func (a *app) listsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [SOURCE]", Short: "Show the sources, or one with its refused lines", Args: atMostOne,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withLibrary(func(l *blocklists.Library) error {
				sources, err := l.Sources()
				if err != nil {
					return err
				}
				if len(args) == 1 {
					source, err := sourceOf(sources, args[0])
					if err != nil {
						return err
					}
					return a.print(source, func(w io.Writer) { a.printSource(w, source) })
				}
				last, err := l.LastBuild()
				if err != nil {
					return err
				}
				return a.print(map[string]any{"sources": append([]blocklists.SourceState{}, sources...), "build": last}, func(w io.Writer) { a.printSources(w, sources, last) })
			})
		},
	}
}

// sourcesNamed is how many sources a sentence names.
const sourcesNamed = 8

// sourceOf finds a source by its ID, or says which there are.
func sourceOf(sources []blocklists.SourceState, id string) (blocklists.SourceState, error) {
	ids := make([]string, len(sources))
	for i, s := range sources {
		if ids[i] = s.ID; s.ID == id {
			return s, nil
		}
	}
	instead := "`treehouse lists show` lists them"
	if len(ids) == 0 {
		instead = "there is none yet"
	} else if len(ids) <= sourcesNamed {
		instead = "there is " + strings.Join(ids, ", ")
	}
	return blocklists.SourceState{}, &usageError{fmt.Errorf("there is no source %q; %s", id, didYouMean(id, ids, instead))}
}

// howMany is a number of things: "1 source", "2 sources".
func howMany(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (a *app) withLibrary(fn func(l *blocklists.Library) error) error {
	return a.withLists(func(_ *Config, l *blocklists.Library) error { return fn(l) })
}

// withLists is withLibrary for what the configuration has a part in.
func (a *app) withLists(fn func(c *Config, l *blocklists.Library) error) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	l, err := a.openWorkshop(c)
	if err != nil {
		return err
	}
	return fn(c, l)
}

// build compiles the snapshot and reports what led to it.
func (a *app) build(ctx context.Context, l *blocklists.Library, reports []blocklists.Report) error {
	build, err := l.Build(ctx)
	if err != nil {
		return err
	}
	return a.print(map[string]any{"reports": reports, "build": build}, func(w io.Writer) {
		for _, r := range reports {
			fmt.Fprintf(w, "%s: %s (%s), %s refused", r.Source, howMany(r.Entries, "name"), r.Format, howMany(r.RefusedLines(), "line"))
			if before := r.Entries - r.Added + r.Removed; before > 0 && before != r.Entries {
				fmt.Fprintf(w, ", before %d", before)
			}
			fmt.Fprintln(w)
			printRefused(w, r)
		}
		fmt.Fprintf(w, "In force: %s from %s and the catalogue, in %d bytes.\n", howMany(build.Stats.Names, "name"), howMany(build.Sources, "source"), build.Stats.Bytes)
	})
}

func (a *app) printSources(w io.Writer, sources []blocklists.SourceState, last blocklists.Build) {
	if len(sources) == 0 {
		fmt.Fprintln(w, "No lists yet: the built-in catalogue is in force. `treehouse lists import --topic adult FILE` adds one.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tTOPIC\tFORMAT\tENTRIES\tREFUSED\tAGE\tBYTES\tSTATE")
	for _, s := range sources {
		topic, state := s.Topic, "ok"
		if topic == "" {
			topic = howMany(len(s.Report.Topics), "topic")
		}
		switch {
		case s.Away && slices.Contains(last.Without, s.ID):
			state = "its names are not in force: they were not kept over a reboot and cannot be fetched: " + s.Result
		case s.Held != nil:
			state = "held: the new list changes too much"
		case s.Failed && s.Away:
			state = s.Result + " as kept over the reboot, and no news of the others is in force until it can be fetched"
		case s.Failed:
			state = s.Result
		case s.Imported.IsZero():
			state = "not fetched yet"
		case s.Away:
			state = "in force as kept over the reboot; its names are fetched with the next update"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%d\t%s\n", s.ID, topic, s.Report.Format, s.Report.Entries, s.Report.RefusedLines(), a.age(s.Imported), s.Bytes, state)
	}
	t.Flush()
	if last.Number > 0 {
		fmt.Fprintf(w, "\nIn force: %s from %s and the catalogue, in %d bytes, compiled %s ago.\n", howMany(last.Stats.Names, "name"), howMany(last.Sources, "source"), last.Stats.Bytes, a.age(last.At))
	}
}

func (a *app) printSource(w io.Writer, s blocklists.SourceState) {
	fmt.Fprintf(w, "%s: %s of %s, %s, imported %s ago, %d bytes\n", s.ID, howMany(s.Report.Entries, "name"), howMany(s.Report.Lines, "line"), s.Report.Format, a.age(s.Imported), s.Bytes)
	if s.URL != "" {
		fmt.Fprintf(w, "  from %s, checked %s ago: %s\n", s.URL, a.age(s.Checked), s.Result)
	}
	for _, topic := range slices.Sorted(maps.Keys(s.Report.Topics)) {
		fmt.Fprintf(w, "  topic %s: %d\n", topic, s.Report.Topics[topic])
	}
	printRefused(w, s.Report)
}

// printRefused tells how many lines were refused for which reason, and shows the
// first ones.
func printRefused(w io.Writer, r blocklists.Report) {
	for _, reason := range slices.Sorted(maps.Keys(r.Refused)) {
		fmt.Fprintf(w, "  %s refused: %s\n", howMany(r.Refused[reason], "line"), reason)
	}
	for _, s := range r.Samples {
		where := fmt.Sprintf("line %d", s.Line)
		if s.File != "" {
			where = s.File + " " + where
		}
		fmt.Fprintf(w, "    %s: %s (%s)\n", where, s.Text, s.Reason)
	}
	for _, folder := range slices.Sorted(maps.Keys(r.Unmapped)) {
		fmt.Fprintf(w, "  left out %s of %s, which is no topic here\n", howMany(r.Unmapped[folder], "line"), folder)
	}
}

// age is how long ago something was, roughly.
func (a *app) age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	switch d := a.now().Sub(t); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
