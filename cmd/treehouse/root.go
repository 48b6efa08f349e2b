package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what every subcommand shares: where to write, what time it is, and the
// flags that stand on every command line.
type app struct {
	out, errs  io.Writer
	now        func() time.Time
	flags      *pflag.FlagSet
	configFile string
	json       bool
}

func newRoot(out, errs io.Writer) *cobra.Command {
	a := &app{out: out, errs: errs, now: time.Now}
	root := &cobra.Command{
		Use:           "treehouse",
		Short:         "The DNS resolver of a home that knows who is asking",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          oneOfItsCommands,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// The flags of the command that was called, its own and those above it.
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { a.flags = cmd.Flags() },
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if in := (*pflag.InvalidValueError)(nil); errors.As(err, &in) {
			switch in.GetFlag().Value.Type() {
			case "int":
				err = fmt.Errorf("--%s: %q is not a whole number, such as 9", in.GetFlag().Name, in.GetValue())
			case "duration":
				err = fmt.Errorf("--%s: %q is not a length of time, such as 5m, 30m or 2h", in.GetFlag().Name, in.GetValue())
			}
		}
		return &usageError{fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.configFile, "config", "c", "", "configuration file (default "+defaultConfigFile+", if it is there)")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	addConfigFlags(flags)
	root.AddCommand(a.serveCommand(), a.explainCommand(), a.listsCommand(), a.peopleCommand(), a.devicesCommand(), a.clockCommand(), a.doctorCommand(), a.configCommand(), a.versionCommand())
	root.AddCommand(a.ruleCommands()...)
	root.AddCommand(a.settingCommands()...)
	group(root)
	return root
}

// group lets help show the commands by what they are for, not by their letters. One
// that is named nowhere here stands at the end.
func group(root *cobra.Command) {
	for _, g := range [...]struct{ title, commands string }{
		{"Now:", "pause resume more-time tickets requests"},
		{"Who and what is here:", "people devices activity"},
		{"Their rules:", "allow block forget switch bedtime homework search youtube holidays overlays"},
		{"What happens, and why:", "explain doctor clock"},
		{"The family's data:", "backup restore erase take passphrase tell"},
		{"The program:", "serve lists config version"},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for name := range strings.FieldsSeq(g.commands) {
			if c, _, err := root.Find([]string{name}); err == nil && c != root {
				c.GroupID = g.title
			}
		}
	}
}

// addConfigFlags adds the options that are worth a flag; every option can be
// given in the environment.
func addConfigFlags(f *pflag.FlagSet) {
	f.String("storage-dir", "", "folder of household.db and blocklists.db")
	f.StringSlice("dns-listen", nil, "addresses to answer on, such as 127.0.0.1:5353")
	f.StringSlice("upstream-servers", nil, "resolvers to ask, such as 9.9.9.9")
	f.String("log-level", "", "error, warn, info or debug")
}

func (a *app) config() (*Config, error) { return loadConfig(a.configFile, a.flags) }

// print writes v as JSON where --json asks for it, else what text writes. A list
// without entries is an empty one, which a script can go through.
func (a *app) print(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice && list.IsNil() {
		v = []struct{}{}
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// oneOfItsCommands refuses a word that is none of a command's own.
func oneOfItsCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	instead := fmt.Sprintf("`%s --help` lists them", cmd.CommandPath())
	return &usageError{fmt.Errorf("there is no command %q; %s", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "treehouse "), didYouMean(args[0], names, instead))}
}

// atMostOne allows one argument or none.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return &usageError{fmt.Errorf("`%s` takes one argument at most; `%[1]s --help` shows how", cmd.CommandPath())}
}

// exactly asks for the given arguments by name, or for none.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(cmd.Commands()) > 0 {
			return oneOfItsCommands(cmd, args)
		}
		if len(names) == 0 {
			names = []string{"no arguments"}
		}
		return &usageError{fmt.Errorf("`%s` takes %s; `%[1]s --help` shows how", cmd.CommandPath(), strings.Join(names, " and "))}
	}
}

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Check the configuration, or print every option", Args: oneOfItsCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use: "check", Short: "Say whether the configuration is right", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			if _, err := readBlocked(c.Firewall.Blocked); err != nil {
				return &ConfigError{"firewall.blocked", err.Error()}
			}
			return a.print(map[string]bool{"ok": true}, func(w io.Writer) { fmt.Fprintln(w, "The configuration is right.") })
		},
	}, &cobra.Command{
		Use: "reference", Short: "Print every option with its default and what it means", Args: exactly(),
		RunE: func(*cobra.Command, []string) error { _, err := a.out.Write(reference); return err },
	})
	return c
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return a.print(map[string]string{"version": v}, func(w io.Writer) { fmt.Fprintln(w, "treehouse", v) })
		},
	}
}

// buildVersion is what the go command noted when it built this binary.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && version == "(devel)" && len(s.Value) >= 12 {
			version = s.Value[:12]
		}
	}
	return version
}
