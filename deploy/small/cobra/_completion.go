// This stands in, in a router's build, for the files of cobra with the scripts for
// bash, zsh, fish and PowerShell: a router's shell is none of them.

package cobra

import (
	"errors"
	"io"
)

var errNoCompletion = errors.New("a router's build completes nothing in shells")

func (*Command) GenBashCompletionV2(io.Writer, bool) error       { return errNoCompletion }
func (*Command) GenZshCompletion(io.Writer) error                { return errNoCompletion }
func (*Command) GenZshCompletionNoDesc(io.Writer) error          { return errNoCompletion }
func (*Command) GenFishCompletion(io.Writer, bool) error         { return errNoCompletion }
func (*Command) GenPowerShellCompletion(io.Writer) error         { return errNoCompletion }
func (*Command) GenPowerShellCompletionWithDesc(io.Writer) error { return errNoCompletion }
