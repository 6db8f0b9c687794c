package flags

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// InGroup returns a Set whose flags the help lists below a title of their own.
func (s Set) InGroup(title string) Set {
	s.group = title
	return s
}

// GroupVariables returns the environment variables of the flags in a group.
func GroupVariables(fs *pflag.FlagSet, title string) []string {
	var names []string
	fs.VisitAll(func(f *pflag.Flag) {
		if group(f) == title {
			names = append(names, Variables(f)...)
		}
	})
	return names
}

func group(f *pflag.Flag) string { return strings.Join(f.Annotations[groupAnnotation], "") }

// UsageTemplate changes cobra's template to list the flags by group.
func UsageTemplate(template string) string {
	return strings.Replace(template, "{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}", "{{groupedFlagUsages .LocalFlags}}", 1)
}

func init() { // cobra's template functions are global, and adding one is not safe for concurrent use
	cobra.AddTemplateFunc("groupedFlagUsages", groupedUsages)
}

// groupedUsages returns the usages of the flags, those of each group below its title.
func groupedUsages(fs *pflag.FlagSet) string {
	var titles []string
	groups := map[string]*pflag.FlagSet{}
	fs.VisitAll(func(f *pflag.Flag) {
		title := group(f)
		if groups[title] == nil {
			groups[title] = pflag.NewFlagSet("", pflag.ContinueOnError)
			if title != "" {
				titles = append(titles, title)
			}
		}
		groups[title].AddFlag(withoutZeroDefault(f))
	})
	var out strings.Builder
	if own := groups[""]; own != nil {
		out.WriteString(strings.TrimRight(own.FlagUsages(), "\n"))
	}
	for _, title := range titles {
		out.WriteString("\n\n" + title + ":\n" + strings.TrimRight(groups[title].FlagUsages(), "\n"))
	}
	return out.String()
}

// withoutZeroDefault returns the flag without a default of 0s, which pflag omits only for
// its own type of durations.
func withoutZeroDefault(f *pflag.Flag) *pflag.Flag {
	shown := *f
	if f.Value.Type() == "duration" && f.DefValue == "0s" {
		shown.DefValue = "0"
	}
	return &shown
}
