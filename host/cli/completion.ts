import type { Argument, Command, Option } from "commander";

export type Shell = "bash" | "zsh" | "fish";

/** A script that has a shell complete the commands of this program, made from what the program itself knows of them. */
export function completion(program: Command, shell: Shell): string {
  const commands = shapesOf(program);
  return { bash, zsh, fish }[shell](commands);
}

interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionShape[];
  readonly words: readonly Word[];
}

interface OptionShape {
  /** As it is typed, with its dashes. */
  readonly flag: string;
  readonly description: string;
  /** What follows it; undefined when nothing does. */
  readonly value: Word | undefined;
}

/** What a word may be. */
type Word =
  | { readonly kind: "file" | "filter" | "text" }
  | { readonly kind: "choice"; readonly of: readonly string[] };

const GLOBAL = ["--no-color", "--help"];

function shapesOf(program: Command): CommandShape[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== "help")
    .map((command) => ({
      name: command.name(),
      description: command.description(),
      // Those of the commands below it are its own, as far as they are typed behind it.
      options: [command, ...command.commands]
        .flatMap(({ options }) => options)
        .map((option) => ({
          flag: option.long ?? option.short ?? "",
          description: option.description,
          value: option.required || option.optional ? wordOf(option, valueName(option)) : undefined,
        })),
      words:
        command.commands.length > 0
          ? [{ kind: "choice", of: command.commands.map((one) => one.name()) }]
          : command.registeredArguments.map((argument) => wordOf(argument, argument.name())),
    }));
}

/** `file` of `-c <file>`. */
function valueName({ flags }: Option): string {
  return /[<[]([^>\]]+)/.exec(flags)?.[1] ?? "";
}

function wordOf({ argChoices }: Pick<Option | Argument, "argChoices">, name: string): Word {
  if (argChoices !== undefined) return { kind: "choice", of: argChoices };
  if (name === "file") return { kind: "file" };
  return { kind: name === "filter" ? "filter" : "text" };
}

/** A word of a shell that stands for itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `"swap --config"|"swap --key"`: a command with each of its options that take a value. */
function patterns(commands: readonly CommandShape[], separator: string): string {
  return commands
    .flatMap(({ name, options }) =>
      options.filter(({ value }) => value !== undefined).map(({ flag }) => `"${name} ${flag}"`),
    )
    .join(separator);
}

function bash(commands: readonly CommandShape[]): string {
  const reply = (word: Word): string =>
    ({
      file: "_sluice_files",
      filter: '_sluice_offer < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)',
      text: "",
      choice: `_sluice_offer <<<${quoted(word.kind === "choice" ? word.of.join("\n") : "")}`,
    })[word.kind];
  const cases = (words: readonly (readonly [what: string, word: Word])[]): string =>
    words
      .filter(([, { kind }]) => kind !== "text")
      .map(([what, word]) => `    "${what}") ${reply(word)} ;;`)
      .join("\n");
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap(({ flag, value }) => (value === undefined ? [] : [[`${name} ${flag}`, value] as const])),
  );
  const words = commands.flatMap((command) =>
    command.words.map((word, at) => [`${command.name} ${at}`, word] as const),
  );
  const flags = commands.map(
    ({ name, options }) =>
      `    ${name}) _sluice_offer <<<${quoted([...options.map(({ flag }) => flag), ...GLOBAL].join("\n"))} ;;`,
  );
  return `# Completion of sluice for bash: source <(sluice completion bash)
# Offers those lines that begin with what is typed. Not by compgen -W, which would expand what a host has named its filters.
_sluice_offer() {
  local line
  while IFS= read -r line; do
    [[ "$line" == "$cur"* ]] && COMPREPLY+=("$(printf %q "$line")")
  done
}

_sluice_files() {
  local line
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
}

_sluice() {
  local line="\${COMP_LINE:0:COMP_POINT}" command="" option="" position=0 word cur words
  # Bash itself cuts words at colons, of which addresses have some.
  read -ra words <<<"$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  COMPREPLY=()
  for word in "\${words[@]:1:\${#words[@]}-2}"; do
    if [[ -n "$option" ]]; then option=""
    elif [[ "$word" == -* ]]; then
      case "$command $word" in
        ${patterns(commands, "|")}) option="$word" ;;
      esac
    elif [[ -z "$command" ]]; then command="$word"
    else position=$((position + 1))
    fi
  done
  if [[ -n "$option" ]]; then
    case "$command $option" in
${cases(values)}
    esac
  elif [[ -z "$command" ]]; then
    _sluice_offer <<<${quoted([...commands.map(({ name }) => name), "--version", ...GLOBAL].join("\n"))}
  elif [[ "$cur" == -* ]]; then
    case "$command" in
${flags.join("\n")}
    esac
  else
    case "$command $position" in
${cases(words)}
    esac
  fi
}

complete -F _sluice sluice
`;
}

function zsh(commands: readonly CommandShape[]): string {
  const action = (word: Word): string =>
    ({
      file: "_files",
      filter: "_sluice_filters",
      text: " ",
      choice: `(${word.kind === "choice" ? word.of.join(" ") : ""})`,
    })[word.kind];
  // Signs that mean something to _arguments.
  const plain = (text: string): string => text.replaceAll(/[[\]:\\]/g, "\\$&");
  const cases = commands.map(({ name, options, words }) => {
    const specifications = [
      ...options.map(({ flag, description, value }) => {
        const follows = value === undefined ? "" : `:value:${action(value)}`;
        return quoted(`${flag}[${plain(description)}]${follows}`);
      }),
      ...words.map((word, at) => quoted(`${at + 1}:word:${action(word)}`)),
    ];
    return `        ${name})\n          _arguments ${specifications.join(" \\\n            ")}\n          ;;`;
  });
  return `#compdef sluice
# Completion of sluice for zsh: source <(sluice completion zsh), or as _sluice in a folder of $fpath
_sluice_filters() {
  local -a names
  names=(\${(f)"$(sluice complete "\${words[@]}" 2>/dev/null)"})
  compadd -a names
}

_sluice() {
  local curcontext="$curcontext" context state line
  local -a commands
  _arguments -C '--version[prints the version]' '--no-color[prints no colours]' '1:command:->command' '*::word:->words'
  case "$state" in
    command)
      commands=(
        ${commands.map(({ name, description }) => quoted(`${name}:${description.replaceAll(":", "\\:")}`)).join("\n        ")}
      )
      _describe command commands
      ;;
    words)
      case "\${words[1]}" in
${cases.join("\n")}
      esac
      ;;
  esac
}

if [[ "\${funcstack[1]}" == _sluice ]]; then _sluice "$@"; else compdef _sluice sluice; fi
`;
}

function fish(commands: readonly CommandShape[]): string {
  // Files are offered nowhere (`-f`, below) but where it is said.
  const offers = (word: Word): string =>
    ({
      file: "-F",
      filter: `-a ${quoted("(__sluice_filters)")}`,
      text: "",
      choice: `-a ${quoted(word.kind === "choice" ? word.of.join(" ") : "")}`,
    })[word.kind];
  const lines = commands.flatMap(({ name, description, options, words }) => [
    `complete -c sluice -n '__sluice_at ""' -a ${name} -d ${quoted(description)}`,
    ...options.map(({ flag, description: what, value }) => {
      const spelled = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
      // `-x` is a value that is no file.
      const follows = value === undefined ? "" : value.kind === "file" ? " -rF" : ` -x ${offers(value)}`;
      return `complete -c sluice -n '__sluice_at ${name}' ${spelled}${follows} -d ${quoted(what)}`;
    }),
    ...words.flatMap((word, at) =>
      word.kind === "text" ? [] : [`complete -c sluice -n '__sluice_at ${name} ${at}' ${offers(word)}`],
    ),
  ]);
  return `# Completion of sluice for fish: sluice completion fish | source
function __sluice_at
  set -l command ""
  set -l option ""
  set -l position 0
  for word in (commandline -opc)[2..]
    if test -n "$option"
      set option ""
    else if string match -q -- '-*' $word
      switch "$command $word"
        case ${patterns(commands, " ")}
          set option $word
      end
    else if test -z "$command"
      set command $word
    else
      set position (math $position + 1)
    end
  end
  test "$command" = "$argv[1]"; or return
  # An option's value is no word of the command.
  test (count $argv) -lt 2; or test "$position$option" = "$argv[2]"
end

function __sluice_filters
  sluice complete (commandline -opc)[2..] 2>/dev/null
end

complete -c sluice -f
complete -c sluice -l no-color -d 'prints no colours'
complete -c sluice -l help -s h -d 'explains the command'
complete -c sluice -n '__sluice_at ""' -l version -d 'prints the version'
${lines.join("\n")}
`;
}
