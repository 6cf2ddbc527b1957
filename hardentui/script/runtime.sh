# shellcheck shell=bash disable=SC2329
# The runtime of hardentui: the same in every script, to be reviewed once.
#
# No primitive exits: each returns 1 and its caller decides. No rule depends on errexit or ERR.
# A return always says its status: below a trap, a bare one gives that of the command before the trap.
# Values that steps hand back stand in REPLY, WORDS, NOW, VERDICT, POSITION, GROUP, BEFORE and AFTER.
# What an outer command says when it fails stands in REASON: such commands run through try.

readonly STATE=/var/lib/hardentui
readonly GUARD=hardentui-guard.service
readonly BOOT_UNIT=/etc/systemd/system/hardentui-boot.service
readonly BOOT_TEMPORARY=/etc/systemd/system/.hardentui-boot.tmp
readonly BOOT_WANTS=/etc/systemd/system/sysinit.target.wants

# Exit statuses. 0: all is well.
readonly FAILED=1 USAGE=2 REFUSED=3 DRIFTED=4 LOCKED=75

# What may reach a terminal as it is: printable ASCII, tabs, and letters and signs in UTF-8, but
# neither control characters (also not those of the C1 set) nor marks that turn the direction.
readonly VISIBLE=$'^([ -~\t]|\xc2[\xa0-\xac\xae-\xbf]|[\xc3-\xd7][\x80-\xbf]|\xe2(\x80[\x90-\xa7\xb0-\xbf]|[\x82-\x9f][\x80-\xbf])|[\xe3-\xed][\x80-\xbf][\x80-\xbf])+'

# What the body of the script fills in.
MACHINE_ID='' HOST_NAME=''
declare -A MESSAGES=()
declare -a DECISION=() TITLE=() BY_HAND=()
# Per step: what it is. Steps count from 1, without gaps, in the order in which they are made.
declare -a KIND=() OWNERS=() FLAGS=() TARGET=() WAS=() WANTED=() CONTENT=() MODES=() ACCEPT=() SETS=() UNSETS=()
STEPS=0

# What is known of the run at hand, as its journal says.
RUN='' RUN_STATE=none SEQ=0 JOURNAL_SIZE=0 TORN=0 DAMAGED=0 COMPLETE=0 APPLIED_BOOT='' APPLIED_UP=''
declare -a RUNS=() STEP_STATE=() VERDICTS=()
declare -A ASKED=() WHOLE=()
SELF='' BOOT='' UNATTENDED=0 AT_BOOT=0 CONFLICTS=0 FAILURES=0 APPLYING=0 CHECKPOINT=0 DEADLINE=0 PEER=''
REPLY='' REASON='' RECORD='' TEMPORARY='' NOW='' VERDICT='' POSITION='' SUPERBLOCK='' ASK='' LOCKS=0
# A record: what stood there before, what is to stand there, what was really reached, folders to make.
BEFORE='' AFTER='' REACHED='' RECORD_BOOT=''
declare -a LINES=() WORDS=() FOLDERS=() GROUP=() STAGED=()

# ---- The plan, as the body declares it -----------------------------------------------------------

decision() { # ID TITLE STEP...; and the steps that carry it out
    local id=$1 step
    DECISION+=("$1") TITLE+=("$2")
    shift 2
    for step; do OWNERS[step]+=${OWNERS[step]+,}$id; done
}

register() { # STEP KIND FLAGS TARGET
    KIND[$1]=$2 FLAGS[$1]=$3 TARGET[$1]=$4
    STEPS=$((STEPS + 1))
}

write_file() { # STEP FLAGS PATH MODE BEFORE LINE...
    local step=$1 line text=''
    register "$1" write "$2" "$3"
    MODES[step]=$4 WAS[step]=$5
    shift 5
    for line; do text+=$line$'\n'; done
    CONTENT[step]=$text
}

replace_line() { # STEP FLAGS PATH BEFORE AFTER
    register "$1" edit "$2" "$3"
    WAS[$1]=$4 WANTED[$1]=$5
}

set_mode() { # STEP FLAGS PATH BEFORE_MODE BEFORE_OWNER MODE OWNER
    register "$1" mode "$2" "$3"
    WAS[$1]="$4 $5" WANTED[$1]="$6 $7"
}

set_sysctl() { # STEP FLAGS KEY BEFORE AFTER OPERATOR OPERAND...
    local step=$1 operand
    register "$1" sysctl "$2" "$3"
    one_spaced "$4" && WAS[step]=$REPLY
    one_spaced "$5" && WANTED[step]=$REPLY
    ACCEPT[step]=$6
    shift 6
    for operand; do ACCEPT[step]+=$'\n'$operand; done
}

remount() { # STEP FLAGS PATH BEFORE AFTER SET UNSET
    register "$1" mount "$2" "$3"
    WAS[$1]=$4 WANTED[$1]=$5 SETS[$1]=$6 UNSETS[$1]=$7
}

enable_unit() { register "$1" unit "$2" "$3"; } # STEP FLAGS UNIT

start_unit() { # STEP FLAGS UNIT
    register "$1" start "$2" "$3"
    WANTED[$1]='enabled active'
}

load_audit_rules() { register "$1" audit "$2" /etc/audit/rules.d; } # STEP FLAGS

load_firewall() { # STEP FLAGS FILE BEFORE AFTER
    register "$1" table "$2" 'inet hardentui'
    SETS[$1]=$3 WAS[$1]=$4 WANTED[$1]=$5
}

load_holder() { register "$1" holder "$2" "$3" && WAS[$1]=rules; } # STEP FLAGS HOLDER

reload_manager() { register "$1" reload "$2" systemd; } # STEP FLAGS

check_mounts() { register "$1" check "$2" /etc/fstab; } # STEP FLAGS

check_syntax() { register "$1" syntax "$2" "$3"; } # STEP FLAGS PROGRAM

reload_unit() { register "$1" service "$2" "$3"; } # STEP FLAGS UNIT

restart_unit() { register "$1" restart "$2" "$3"; } # STEP FLAGS UNIT

disable_unit() { # STEP FLAGS UNIT ENABLEMENT ACTIVITY
    local enablement=$4
    [[ $4 != enabled ]] || enablement=disabled
    register "$1" off "$2" "$3"
    WAS[$1]="$4 $5" WANTED[$1]="$enablement inactive"
}

by_hand() { # DECISIONS SUBJECT LINE...
    local text="$1: $2" line
    shift 2
    for line; do text+=$'\n'"    $line"; done
    BY_HAND+=("$text")
}

# ---- Output: everything that is printed goes through plain ----------------------------------------

plain() { # TEXT; sets REPLY to it, with what could draw on a terminal made visible
    local rest=$1 byte
    REPLY=''
    while [[ -n $rest ]]; do
        if [[ $rest =~ $VISIBLE ]]; then
            REPLY+=${BASH_REMATCH[0]}
            rest=${rest:${#BASH_REMATCH[0]}}
        else
            printf -v byte '\\x%02x' "'${rest:0:1}"
            REPLY+=$byte
            rest=${rest:1}
        fi
    done
}

say() { # MESSAGE ARGUMENT...; a reader that went away is no reason to stop
    local format=${MESSAGES[$1]} word
    local -a shown=()
    shift
    for word; do
        plain "$word"
        shown+=("$REPLY")
    done
    # shellcheck disable=SC2059 # the format is ours, from the table of messages; the words are data
    printf -- "$format\n" "${shown[@]}" 2>/dev/null || :
}

show_lines() { # each line of the standard input, set in
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        plain "$line"
        printf '    %s\n' "$REPLY" 2>/dev/null || :
    done
}

refuse() { # MESSAGE ARGUMENT...
    say "$@" >&2
    exit "$REFUSED"
}

alarm() { # MESSAGE ARGUMENT...; nobody may be looking, so it is said in every place
    local text
    text=$(say "$@")
    say "$@" >&2
    logger -t hardentui -p daemon.crit -- "$text" 2>/dev/null || :
    wall -- "$text" >/dev/null 2>&1 || :
}

# ---- Small things ----------------------------------------------------------------------------------

try() { # COMMAND...; when it fails, REASON is the first line that it says
    local said
    # exec: a shell in between would hold the lock as long as the command hangs.
    said=$(exec "$@" 2>&1 >/dev/null) && return 0
    REASON=${said%%$'\n'*}
    return 1
}

flush() { # FILE_OR_FOLDER...; the durable boundary: returns when all of it is on the disk
    try sync -- "$@"
}

digest() { # TEXT; sets REPLY
    REPLY=$(printf '%s' "$1" | sha256sum) || return 1
    REPLY=${REPLY%% *}
}

checksum() { # TEXT; sets REPLY: FNV-1a of 64 bits, for damage and not against people; no process is started
    local i byte hash=-3750763034362895579
    for ((i = 0; i < ${#1}; i++)); do
        printf -v byte %d "'${1:i:1}"
        ((hash = (hash ^ (byte & 255)) * 1099511628211))
    done
    printf -v REPLY %016x "$hash"
}

whole() { # TEXT CHECKSUM; 0 when they belong together; what was found whole once is not computed again
    [[ ${WHOLE[:$1]-} != "$2" ]] || return 0
    checksum "$1"
    [[ $REPLY == "$2" ]] && WHOLE[:$1]=$2
}

one_spaced() { # TEXT; sets REPLY to its words, one space between them
    REPLY=${1//[$'\t\n']/ }
    while [[ $REPLY == *'  '* ]]; do REPLY=${REPLY//  / }; done
    REPLY=${REPLY# }
    REPLY=${REPLY% }
}

numbered() { # STEP; sets RECORD to the path of what is kept of it, without a suffix
    printf -v RECORD '%s/before/%03d' "$RUN" "$1"
}

has_flag() { [[ ,${FLAGS[$1]}, == *",$2,"* ]]; } # STEP FLAG

split() { # TEXT SEPARATOR; sets WORDS to its parts, empty ones too; an empty text has none
    local rest=${1:+$1$2}
    WORDS=()
    while [[ -n $rest ]]; do WORDS+=("${rest%%"$2"*}") rest=${rest#*"$2"}; done
}

lacks_words() { # WORDS WANTED; both separated by commas; 0 when a wanted one is missing
    local word
    split "$2" ,
    for word in "${WORDS[@]}"; do
        [[ ",$1," == *",$word,"* ]] || return 0
    done
    return 1
}

same_words() { # WORDS WORDS
    ! lacks_words "$1" "$2" && ! lacks_words "$2" "$1"
}

trusted_path() { # PATH OWNER...; every folder above it belongs to one of them, and only they write there
    local path=$1 owner lines i
    local -a above=()
    shift
    while [[ $path != / && -n $path ]]; do
        path=${path%/*}
        [[ -e ${path:-/} || -L ${path:-/} ]] && above+=("${path:-/}")
    done
    REPLY=${above[0]-}
    lines=$(stat -c '%u %A' -- "${above[@]}" 2>/dev/null) || return 1
    for ((i = 0; i < ${#above[@]}; i++)); do
        REPLY=${above[i]}
        [[ ${lines%%$'\n'*} =~ ^([0-9]+)\ d....[^w]..[^w].$ ]] || return 1
        lines=${lines#*$'\n'}
        for owner; do [[ ${BASH_REMATCH[1]} == "$owner" ]] && continue 2; done
        return 1
    done
}

safe_folders() { # STEP; 0 when only root can change what lies above its target, else REASON says where not
    trusted_path "${TARGET[$1]}" 0 && return 0
    REASON=$(say untrusted-folder "$REPLY")
    return 1
}

booted_systemd() { [[ -d /run/systemd/system ]]; }

# ---- The journal: what was done, a line for each durable boundary ----------------------------------

journal() { # STEP STATE [later]; STEP is a number, or "run"; later: the next line that is flushed takes it along
    local line up
    if [[ $DAMAGED == 1 ]]; then # nothing can be added to it; what happens is only remembered
        remember "$1" "$2" "$BOOT" ''
        return 0
    fi
    read -r up _ </proc/uptime || return 1
    if [[ $TORN == 1 ]]; then
        try truncate -s "$JOURNAL_SIZE" -- "$RUN/journal" || return 1
        TORN=0
    fi
    line="$((SEQ + 1)) $BOOT $up $1 $2"
    checksum "$line"
    WHOLE[:$line]=$REPLY
    line+=" $REPLY"
    # A signal may come at any point here: until all is known, the next call takes this line for torn.
    TORN=1
    printf '%s\n' "$line" 2>/dev/null >>"$RUN/journal" || return 1
    [[ ${3-} == later ]] || flush "$RUN/journal" "$RUN" || return 1
    SEQ=$((SEQ + 1)) JOURNAL_SIZE=$((JOURNAL_SIZE + ${#line} + 1)) TORN=0
    remember "$1" "$2" "$BOOT" "$up"
}

remember() { # STEP STATE BOOT_ID UPTIME
    if [[ $1 != run ]]; then
        STEP_STATE[$1]=$2
        return 0
    fi
    RUN_STATE=$2
    [[ $2 != applied && $2 != kept ]] || COMPLETE=1
    [[ $2 != applied ]] || APPLIED_BOOT=$3 APPLIED_UP=$4
}

load_journal() { # RUN; stops when it is damaged, unless nobody is there: what can be done without it is done
    read_journal "$1" || [[ $UNATTENDED == 1 ]] || refuse damaged "$RUN/journal" "$((SEQ + 1))"
}

read_journal() { # RUN; a torn last line is as if it was never written; 1 and DAMAGED at any other damage
    local -a lines=()
    local i
    RUN=$1 RUN_STATE=none SEQ=0 JOURNAL_SIZE=0 TORN=0 DAMAGED=0 COMPLETE=0 APPLIED_BOOT='' APPLIED_UP='' STEP_STATE=()
    [[ -e $RUN/journal ]] || return 0
    mapfile lines 2>/dev/null <"$RUN/journal" || refuse unreadable "$RUN/journal"
    for ((i = 0; i < ${#lines[@]}; i++)); do
        if load_line "${lines[i]}" "$((i + 1))"; then
            continue
        elif ((i == ${#lines[@]} - 1)); then
            TORN=1
        else
            DAMAGED=1
            return 1
        fi
    done
}

ended() { # RUN; 0 when it was rolled back: its last line says so, and then nothing else of it matters
    local last
    # After a power cut its end may be zeros, of which bash would complain.
    last=$(tail -n 1 -- "$1/journal" 2>/dev/null | tr -d '\0') || return 1
    [[ $last =~ ^([1-9][0-9]{0,5})\ .*\ run\ rolled-back\  ]] || return 1
    (load_line "$last"$'\n' "${BASH_REMATCH[1]}")
}

load_line() { # LINE NUMBER; what it says is known from then on
    local -r grammar='^(([1-9][0-9]{0,5}) ([0-9a-f-]{36}) ([0-9]{1,12}\.[0-9]{2}) (run|[1-9][0-9]{0,3}) ([a-z-]+)) ([0-9a-f]{16})'$'\n''$'
    [[ $1 =~ $grammar ]] || return 1
    local -a part=("${BASH_REMATCH[@]}")
    [[ ${part[2]} == "$2" ]] || return 1
    whole "${part[1]}" "${part[7]}" || return 1
    SEQ=${part[2]} JOURNAL_SIZE=$((JOURNAL_SIZE + ${#part[0]}))
    remember "${part[5]}" "${part[6]}" "${part[3]}" "${part[4]}"
}

# ---- What a step is recorded with: its target, and what stood and will stand there ------------------

stage_record() { # STEP; BEFORE, AFTER, REACHED and FOLDERS make its record, which counts once it is kept
    local step=$1 folder text
    printf -v RECORD '%s/staged/%03d.meta' "$RUN" "$step"
    text="target ${KIND[step]} ${TARGET[step]}"$'\n'"boot $BOOT"$'\n'"before $BEFORE"$'\n'"after $AFTER"$'\n'
    [[ -z $REACHED ]] || text+="reached $REACHED"$'\n'
    for folder in "${FOLDERS[@]}"; do text+="folder $folder"$'\n'; done
    checksum "$text"
    WHOLE[:$text]=$REPLY
    printf '%ssum %s\n' "$text" "$REPLY" 2>/dev/null >"$RECORD" && STAGED+=("$RECORD")
}

keep_records() { # those that are staged; each replaces the one before whole or not at all
    local -a staged=("${STAGED[@]}")
    STAGED=()
    [[ ${#staged[@]} != 0 ]] || return 0
    flush "${staged[@]}" && try mv -f -t "$RUN/before" -- "${staged[@]}" && flush "$RUN/before"
}

saved() { # STEP...; their records, and that they are saved, reach the disk
    local step
    (($# != 0)) || return 0
    keep_records || return 1
    for step; do journal "$step" saved later || return 1; done
    flush "$RUN/journal" "$RUN"
}

load_record() { # STEP; 1 when it is not there, or not whole
    local word rest text=''
    BEFORE='' AFTER='' REACHED='' RECORD_BOOT='' FOLDERS=()
    numbered "$1"
    [[ -r $RECORD.meta ]] || return 1
    while read -r word rest; do
        case $word in
            boot) RECORD_BOOT=$rest ;;
            before) BEFORE=$rest ;;
            after) AFTER=$rest ;;
            reached) REACHED=$rest ;;
            folder) FOLDERS+=("$rest") ;;
            sum) whole "$text" "$rest" && return 0 ;;
        esac
        text+="$word $rest"$'\n'
    done <"$RECORD.meta"
    REASON=$RECORD.meta
    return 1
}

ours() { # STEP; 0 when a run of RUNS, which stands, left the target as it is NOW
    local run record
    for run in "${RUNS[@]}"; do
        while IFS= read -r record; do
            grep -qxF -e "reached $NOW" -e "after $NOW" -e "after ${NOW% *} any" -- "$record" && return 0
        done < <(grep -rlxF --include='*.meta' -- "target ${KIND[$1]} ${TARGET[$1]}" "$run/before" 2>/dev/null)
    done
    return 1
}

# ---- Files: written and edited ones -----------------------------------------------------------------

file_now() { # STEP; NOW is "absent", "file SHA256 MODE UID:GID ATTRIBUTES", or what else stands there
    local path=${TARGET[$1]} line sum
    NOW=absent
    [[ -e $path || -L $path ]] || return 0
    NOW=unreadable
    line=$(stat -c '%h %a %u:%g %F' -- "$path" 2>/dev/null) || return 0
    [[ $line =~ ^([0-9]+)\ ([0-7]+)\ ([0-9]+:[0-9]+)\ (.*)$ ]] || return 0
    NOW=${BASH_REMATCH[4]// /-}
    [[ $NOW == regular* ]] || return 0
    NOW=hard-link
    [[ ${BASH_REMATCH[1]} == 1 ]] || return 0
    NOW=unreadable
    line="${BASH_REMATCH[2]} ${BASH_REMATCH[3]}"
    sum=$(sha256sum 2>/dev/null <"$path") || return 0
    attributes "$path" || return 0
    NOW="file ${sum%% *} $line $REPLY"
}

attributes() { # FILE; sets REPLY to a digest of what tar packs of it: its ACL and extended attributes too
    REPLY=-
    command -v tar >/dev/null || return 0
    # The label is left out: a relabelling of the whole system is no change by others.
    REPLY=$(tar --create --directory=/ --format=posix --numeric-owner --mtime=@0 --transform='s,.*,x,' \
        --pax-option=exthdr.name=x,delete=atime,delete=ctime,delete=mtime \
        --acls --xattrs '--xattrs-include=*' --xattrs-exclude=security.selinux \
        -- "${1#/}" 2>/dev/null | sha256sum) || return 1
    REPLY=${REPLY:0:16}
}

write_expect() { # STEP
    local step=$1
    digest "${CONTENT[step]}" || return 1
    case $NOW in
        "file $REPLY ${MODES[step]} 0:0 "*) VERDICT=made ;;
        absent) [[ ${WAS[step]} == absent || -z ${WAS[step]} ]] && VERDICT=todo ;;
        "file ${WAS[step]:-unseen} "*) VERDICT=todo ;;
        file*) ours "$step" && VERDICT=todo ;;
    esac
}

read_lines() { # PATH; LINES are its lines with their ends; 1 when it holds what bash cannot carry
    LINES=()
    mapfile LINES 2>/dev/null <"$1" || return 1
    printf '%s' "${LINES[@]}" | cmp -s -- - "$1"
}

bare() { # LINE; sets REPLY to it without its end, which is that of DOS in some files
    REPLY=${1%$'\n'}
    REPLY=${REPLY%$'\r'}
}

count_line() { # LINE; sets REPLY to how often it stands in LINES
    local line count=0
    for line in "${LINES[@]}"; do bare "$line" && [[ $REPLY == "$1" ]] && count=$((count + 1)); done
    REPLY=$count
}

edit_expect() { # STEP
    local before=0 after=0
    [[ $NOW == file* ]] && read_lines "${TARGET[$1]}" || return 0
    [[ -z ${WAS[$1]} ]] || { count_line "${WAS[$1]}" && before=$REPLY; }
    [[ -z ${WANTED[$1]} ]] || { count_line "${WANTED[$1]}" && after=$REPLY; }
    case ${WAS[$1]:+seen}:${WANTED[$1]:+wanted}:$before:$after in
        seen:wanted:1:0 | seen::1:0 | :wanted:0:0) VERDICT=todo ;;
        seen::0:0) VERDICT=made ;;
        seen:wanted:0:* | :wanted:0:*) ((after == 0)) || VERDICT=made ;;
    esac
    return 0
}

wanted_text() { # STEP FILE; prints what the file is to hold
    local step=$1 line done=0 end=$'\n'
    if [[ ${KIND[step]} == write ]]; then
        printf '%s' "${CONTENT[step]}" || return 1
        return 0
    fi
    read_lines "$2" || return 1
    for line in "${LINES[@]}"; do
        bare "$line"
        if [[ $done == 0 && -n ${WAS[step]} && $REPLY == "${WAS[step]}" ]]; then
            done=1
            [[ -n ${WANTED[step]} ]] || continue
            line=${WANTED[step]}${line#"${WAS[step]}"}
        fi
        printf '%s' "$line" || return 1
    done
    [[ -z ${WAS[step]} ]] || return 0
    [[ ${LINES[0]-} != *$'\r\n' ]] || end=$'\r\n'
    [[ ${#LINES[@]} == 0 || $line == *$'\n' ]] || printf '%s' "$end" || return 1
    printf '%s%s' "${WANTED[step]}" "$end"
}

file_save() { # STEP, as it was just looked at; the original and what is to stand there, beside the journal
    local step=$1 folder text
    numbered "$step"
    BEFORE=$NOW REACHED='' FOLDERS=()
    folder=${TARGET[step]%/*}
    while [[ -n $folder && ! -e $folder ]]; do
        FOLDERS+=("$folder")
        folder=${folder%/*}
    done
    if [[ $BEFORE != absent ]]; then
        try cp -a -- "${TARGET[step]}" "$RECORD" && flush "$RECORD" && original_whole "$RECORD" || return 1
    fi
    { wanted_text "$step" "$RECORD" >"$RECORD.new"; } 2>/dev/null && flush "$RECORD.new" || return 1
    text=$(sha256sum <"$RECORD.new") || return 1
    case ${KIND[step]} in
        write) AFTER="file ${text%% *} ${MODES[step]} 0:0 any" ;;
        *) AFTER=${BEFORE#file * } AFTER="file ${text%% *} ${AFTER% *} any" ;;
    esac
    [[ $AFTER != "${BEFORE% *} any" ]] && stage_record "$step"
}

original_whole() { # FILE; 0 when it is BEFORE in all: what was not saved whole must replace nothing
    local sum
    sum=$(sha256sum 2>/dev/null <"$1") && attributes "$1" || return 1
    [[ $BEFORE == "file ${sum%% *} "*" $REPLY" ]]
}

temporary() { # STEP; sets TEMPORARY to the name under which its file is made, in the target's own folder
    printf -v TEMPORARY '%s/.hardentui-%03d.tmp' "${TARGET[$1]%/*}" "$1"
}

put_in_place() { # STEP; replaces the target by what was made ready, and nothing else
    flush "$TEMPORARY" && try mv -fT -- "$TEMPORARY" "${TARGET[$1]}" && flush "${TARGET[$1]%/*}/"
}

make_folders() { # those that are missing, outermost first
    local i
    for ((i = ${#FOLDERS[@]} - 1; i >= 0; i--)); do
        [[ -d ${FOLDERS[i]} ]] || try mkdir -m 0755 -- "${FOLDERS[i]}" || return 1
        flush "${FOLDERS[i]}" "${FOLDERS[i]%/*}/" || return 1
    done
}

remove_folders() { # those that we made, innermost first; with files of others in it one stays
    local folder
    for folder in "${FOLDERS[@]}"; do
        [[ -d $folder ]] || continue
        rmdir -- "$folder" 2>/dev/null || return 0
        flush "${folder%/*}/" || return 1
    done
}

file_make() { # STEP
    local step=$1
    temporary "$step"
    make_folders && safe_folders "$step" && try rm -f -- "$TEMPORARY" || return 1
    if [[ $BEFORE != absent ]]; then
        # The copy brings owner, mode, ACL, attributes and label along.
        try cp -a -- "$RECORD" "$TEMPORARY" || return 1
    fi
    # The text alone: what stands there keeps its owner, mode and attributes.
    try cp -- "$RECORD.new" "$TEMPORARY" || return 1
    if [[ ${KIND[step]} == write ]]; then
        try chown 0:0 -- "$TEMPORARY" && try chmod "${MODES[step]}" -- "$TEMPORARY" || return 1
    fi
    file_now "$step"
    [[ $NOW == "$BEFORE" ]] && put_in_place "$step"
}

file_restore() { # STEP
    safe_folders "$1" || return 1
    if [[ $BEFORE == absent ]]; then
        try rm -f -- "${TARGET[$1]}" && flush "${TARGET[$1]%/*}/" && remove_folders
    else
        temporary "$1"
        try cp -a -- "$RECORD" "$TEMPORARY" && original_whole "$TEMPORARY" &&
            selinux_label "$TEMPORARY" "${TARGET[$1]}" && apparmor_date "$TEMPORARY" "${TARGET[$1]}" &&
            put_in_place "$1"
    fi
}

# ---- Modes and owners -------------------------------------------------------------------------------

mode_now() { # STEP; NOW is "absent", "MODE OWNER:GROUP", or what else stands there
    local path=${TARGET[$1]} line
    NOW=absent
    [[ -e $path || -L $path ]] || return 0
    NOW=unreadable
    line=$(stat -c '%h %a %U:%G %F' -- "$path" 2>/dev/null) || return 0
    [[ $line =~ ^([0-9]+)\ ([0-7]+\ [^\ ]+)\ (.*)$ ]] || return 0
    NOW=${BASH_REMATCH[3]// /-}
    case $NOW in
        directory) NOW=${BASH_REMATCH[2]} ;;
        regular*) NOW=hard-link && [[ ${BASH_REMATCH[1]} != 1 ]] || NOW=${BASH_REMATCH[2]} ;;
    esac
}

change_mode() { # PATH MODE_AND_OWNER; the owner first, for chown takes the special bits away
    local mode
    # With fewer than five digits chmod leaves the special bits of a folder as they are.
    printf -v mode '%5s' "${2%% *}"
    try chown -h -- "${2#* }" "$1" && try chmod -- "${mode// /0}" "$1" && flush "$1"
}

# ---- Kernel parameters --------------------------------------------------------------------------------

sysctl_now() { # STEP; NOW is "absent" or the value
    local path=/proc/sys/${TARGET[$1]} value
    NOW=absent
    [[ -e $path ]] || return 0
    NOW=unreadable
    { value=$(<"$path"); } 2>/dev/null || return 0
    # Bash takes a failing read for an empty value; cat tells them apart.
    [[ -n $value ]] || cat -- "$path" >/dev/null 2>&1 || return 0
    one_spaced "$value"
    NOW=$REPLY
}

kernel_write() { # FILE VALUE; one write, without starting a program
    REASON=$(printf '%s\n' "$2" 2>&1 >"$1") && return 0
    REASON=${REASON##*: }
    return 1
}

is_number() { # TEXT; only what arithmetic can be trusted with
    [[ $1 =~ ^-?(0|[1-9][0-9]{0,17})$ ]]
}

covers_range() { # VALUE WANTED; both "LOW HIGH"
    local low=${1%% *} high=${1#* } from=${2%% *} to=${2#* }
    is_number "$low" && is_number "$high" && is_number "$from" && is_number "$to" || return 1
    ((low <= from && high >= to))
}

sysctl_passes() { # STEP; whether NOW is as good as the value that we would set
    local -a rule
    local operand
    split "${ACCEPT[$1]}" $'\n'
    rule=("${WORDS[@]}")
    case ${rule[0]} in
        equal | one-of)
            for operand in "${rule[@]:1}"; do
                one_spaced "$operand"
                [[ $NOW == "$REPLY" ]] && return 0
            done
            ;;
        at-least) is_number "$NOW" && is_number "${rule[1]}" && ((NOW >= rule[1])) && return 0 ;;
        at-most) is_number "$NOW" && is_number "${rule[1]}" && ((NOW <= rule[1])) && return 0 ;;
        covers-range) covers_range "$NOW" "${rule[1]}" && return 0 ;;
    esac
    return 1
}

# ---- Mounted file systems ------------------------------------------------------------------------------

# NOW is "absent", or of the mount that lies on top "DEVICE ROOT TYPE SOURCE FLAGS OWN": OWN are those
# options of its superblock that the step speaks of. Of the others, such as a size, it knows nothing.
mount_now() { # STEP; sets SUPERBLOCK, too, to all options of the superblock
    local device root point flags rest word own=''
    NOW=absent SUPERBLOCK=''
    while read -r _ _ device root point flags rest; do
        [[ $point == "${TARGET[$1]}" && " $rest" =~ \ -\ ([^ ]+\ [^ ]*)\ ([^ ]+)$ ]] || continue
        NOW="$device $root ${BASH_REMATCH[1]} $flags" SUPERBLOCK=${BASH_REMATCH[2]}
    done </proc/self/mountinfo
    [[ $NOW != absent ]] || return 0
    split "$SUPERBLOCK" ,
    for word in "${WORDS[@]}"; do
        [[ ",${SETS[$1]},${UNSETS[$1]}," != *",${word%%=*}"[=,]* ]] || own+=,$word
    done
    NOW+=" ${own:--}"
}

mount_flags() { # MOUNT, as NOW; sets REPLY
    REPLY=${1% *}
    REPLY=${REPLY##* }
}

mount_passes() { # STEP
    [[ $NOW != absent ]] && mount_flags "$NOW" && ! lacks_words "$REPLY,$SUPERBLOCK" "${WANTED[$1]}"
}

mount_expect() { # STEP
    mount_flags "$NOW"
    if mount_passes "$1"; then
        VERDICT=made
    elif same_words "$REPLY" "${WAS[$1]}" || same_words "$REPLY,$SUPERBLOCK" "${WAS[$1]}"; then
        VERDICT=todo
    fi
}

mount_change() { # PATH MOUNT WORDS; fstab is left out of it, so that nothing else changes
    local how=remount
    # Flags of the mount alone: else its ro would reach the other mounts of the same file system.
    [[ ! ,$3, =~ ^,((no)?(suid|dev|exec),)+$ ]] || how=remount,bind
    mount_flags "$2" && try mount --options-mode=ignore -o "$how,$REPLY,$3" -- "$1"
}

# ---- Units -----------------------------------------------------------------------------------------------

unit_now() { # STEP; the word of is-enabled; the files are asked, not the manager
    NOW=$(systemctl --root=/ is-enabled -- "${TARGET[$1]}" 2>/dev/null)
    NOW=${NOW:-absent}
}

unit_expect() { # STEP
    local target
    case $NOW in
        enabled) VERDICT=made ;;
        disabled) VERDICT=todo ;;
        absent | not-found)
            for target in "${TARGET[@]}"; do [[ $target == */"${TARGET[$1]}" ]] && VERDICT=todo; done
            ;;
    esac
    return 0
}

start_expect() { # STEP; whatever it was before, it may be enabled and started, unless someone masked it
    case $NOW in
        absent) unit_expect "$1" ;;
        enabled\ * | disabled\ * | static\ * | indirect\ *) VERDICT=todo ;;
    esac
    ! start_passes "$1" || VERDICT=made
}

start_passes() { # STEP; a unit without an [Install] section is never more than static
    [[ $NOW =~ ^(enabled|static|indirect)\ active$ ]] || { ! booted_systemd && [[ $NOW == enabled* ]]; }
}

start_make() { # STEP
    try systemctl --root=/ enable -- "${TARGET[$1]}" && flush /etc/systemd/system || return 1
    booted_systemd || return 0
    reload_now && try systemctl start -- "${TARGET[$1]}" && stays_up "${TARGET[$1]}"
}

enabling_save() { # STEP; the links that enable units: what disables this one again takes those of its Also= along
    numbered "$1"
    unit_links >"$RECORD.links" && flush "$RECORD.links"
}

unit_links() { find /etc/systemd/system -type l -printf '%p\t%l\n' 2>/dev/null; }

enabling_restore() { # STEP; takes away what enabling it linked, and nothing that stood before and stands now
    local record
    numbered "$1"
    record=$RECORD
    if [[ ! -e $record.kept ]]; then
        unit_links >"$record.now" && grep -Fxvq -f "$record.links" -- "$record.now" || return 0
        grep -Fx -f "$record.links" -- "$record.now" >"$record.kept.new"
        (($? < 2)) && flush "$record.kept.new" && mv -T -- "$record.kept.new" "$record.kept" || return 1
        flush "${record%/*}" || return 1
    fi
    try systemctl --root=/ disable -- "${TARGET[$1]}" && links_back "$record.kept" && flush /etc/systemd/system
}

links_back() { # FILE; those of its links that are not there
    local path target
    while IFS=$'\t' read -r path target; do
        [[ ! -L $path ]] || continue
        # The folder is gone where disabling a unit, this one or another of the run, left it empty.
        trusted_path "$path" 0 && { [[ -d ${path%/*} ]] || mkdir -m 0755 -- "${path%/*}"; } || return 1
        ln -sT -- "$target" "$path" && flush "${path%/*}/" || return 1
    done <"$1"
}

start_restore() { # STEP
    enabling_restore "$1" || return 1
    booted_systemd || return 0
    if [[ $AT_BOOT == 1 ]]; then
        # Not started yet; but the boot has made up its mind to.
        [[ $BEFORE == enabled* ]] || call_off "${TARGET[$1]}"
    elif [[ $BEFORE != *\ active ]]; then
        end_unit "${TARGET[$1]}"
    fi
}

call_off() { # UNIT; what waits to start is not started
    local job
    job=$(systemctl show -p Job --value -- "$1" 2>/dev/null)
    [[ ! $job =~ ^[1-9][0-9]*$ ]] || try systemctl cancel -- "$job"
}

end_unit() { # UNIT
    local looks
    if [[ $(systemctl show -p RefuseManualStop --value -- "$1" 2>/dev/null) == yes ]]; then
        # auditd is not to be stopped by its manager: it ends when it is told so itself.
        try systemctl kill --kill-whom=main -- "$1" || return 1
    else
        try systemctl stop -- "$1" || return 1
    fi
    for ((looks = 50; looks > 0; looks--)); do
        systemctl is-active --quiet -- "$1" || return 0
        sleep 0.2
    done
    return 1
}

stays_up() { # UNIT; one that is started without a word (Type=simple) falls over a moment later
    local looks
    for ((looks = 10; looks > 0; looks--)); do
        sleep 0.2
        systemctl is-active --quiet -- "$1" && continue
        REASON=$(say not-running "$1")
        return 1
    done
}

state_now() { # STEP; NOW is "absent", or the words of is-enabled and is-active
    local enablement activity=inactive
    enablement=$(systemctl --root=/ is-enabled -- "${TARGET[$1]}" 2>/dev/null)
    NOW=absent
    [[ -n $enablement && $enablement != not-found ]] || return 0
    if [[ $AT_BOOT == 1 ]]; then
        # Services start after us: whether this one runs is not known yet, only whether it will.
        if [[ $enablement == "${BEFORE%% *}" ]]; then
            activity=${BEFORE#* }
        elif [[ $enablement == enabled ]]; then
            activity=active
        fi
    elif booted_systemd; then
        case $(systemctl is-active -- "${TARGET[$1]}" 2>/dev/null) in
            active | activating | reloading | deactivating) activity=active ;;
        esac
    fi
    NOW="$enablement $activity"
}

off_passes() { # STEP
    [[ $NOW =~ ^(disabled|static|indirect|masked)\ inactive$ ]]
}

off_save() { # STEP; with the links that enable the unit, for what enables it again need not make the same ones
    local record
    numbered "$1"
    record=$RECORD
    find /etc/systemd/system -type l ! -path "/etc/systemd/system/${TARGET[$1]}" \
        \( -name "${TARGET[$1]}" -o -lname "*/${TARGET[$1]}" -o -lname "${TARGET[$1]}" \) \
        -printf '%p\t%l\n' 2>/dev/null >"$record.links" && flush "$record.links" || return 1
    value_save "$1" "${WANTED[$1]}"
}

off_make() { # STEP
    local record path target
    numbered "$1"
    record=$RECORD
    while IFS=$'\t' read -r path target; do
        trusted_path "$path" 0 && rm -f -- "$path" && flush "${path%/*}/" || return 1
    done <"$record.links"
    booted_systemd || return 0
    reload_now && try systemctl stop -- "${TARGET[$1]}"
}

off_restore() { # STEP
    numbered "$1"
    links_back "$RECORD.links" || return 1
    booted_systemd || return 0
    reload_now || return 1
    [[ ${BEFORE#* } == active ]] || return 0
    if [[ $AT_BOOT == 1 ]]; then
        # To wait here for what starts after us would hold the boot up.
        try systemctl start --no-block -- "${TARGET[$1]}"
    else
        try systemctl start -- "${TARGET[$1]}"
    fi
}

reload_now() {
    booted_systemd || return 0
    try systemctl daemon-reload
}

check_now() { # STEP; our fstab may not be worse than the one that stood there
    local step=$1 earlier output errors=0 known=0
    output=$(findmnt --verify 2>&1) && return 0
    errors=$(printf '%s\n' "$output" | grep -cF '[E]')
    for ((earlier = 1; earlier < step; earlier++)); do
        [[ ${TARGET[earlier]} == /etc/fstab && -n ${STEP_STATE[earlier]-} ]] || continue
        numbered "$earlier"
        known=$(findmnt --verify --tab-file "$RECORD" 2>&1 | grep -cF '[E]')
        break
    done
    say fstab-errors
    printf '%s\n' "$output" | show_lines
    ((errors > 0 && errors <= known))
}

service_now() { # STEP; a service that does not run reads its files when it starts
    booted_systemd && systemctl is-active --quiet -- "${TARGET[$1]}" || return 0
    try systemctl reload -- "${TARGET[$1]}"
}

restart_now() { # STEP; a service that does not run is left alone; `restarted` says which were not
    booted_systemd && systemctl is-active --quiet -- "${TARGET[$1]}" || return 0
    printf '%s\n' "$1" >>"$RUN/restarted" && flush "$RUN/restarted" "$RUN" || return 1
    try systemctl restart -- "${TARGET[$1]}" && stays_up "${TARGET[$1]}"
}

journald_anew() { # STEP; it starts before us, and has read the files that were taken back since
    [[ ${TARGET[$1]} != systemd-journald.service ]] || try systemctl restart --no-block -- "${TARGET[$1]}"
}

restart_back() { # STEP; under the files of before, also when it fell over or ended meanwhile
    booted_systemd && grep -qsx -- "$1" "$RUN/restarted" || return 0
    addresses_ready
    try systemctl reset-failed -- "${TARGET[$1]}" || :
    try systemctl restart -- "${TARGET[$1]}"
}

syntax_now() { # STEP; the program itself judges what it will read
    local output outcome=0
    case ${TARGET[$1]} in
        sshd) output=$(sshd_check 2>&1) || outcome=$? ;;
        # With the file named, visudo judges what sudo would: a mode of 0644 is not for it to refuse.
        visudo) output=$(visudo -c -f /etc/sudoers 2>&1) || outcome=1 ;;
        rsyslogd) output=$(briefly rsyslogd -N1 2>&1) || outcome=$? ;;
        *) return 1 ;;
    esac
    [[ $outcome == 0 ]] && return 0
    if [[ $outcome =~ ^(124|137)$ ]]; then
        say syntax-endless "${TARGET[$1]}"
        return 1
    fi
    say syntax-errors "${TARGET[$1]}"
    printf '%s\n' "$output" | show_lines
    return 1
}

briefly() { # COMMAND...; a daemon whose files name a FIFO (a table, say) would wait there for ever
    timeout --kill-after=5 60 "$@"
}

sshd_check() { # sshd looks for its empty folder, which its unit makes only while it runs
    local made=no outcome=0
    [[ -d /run/sshd ]] || ! mkdir -m 0755 -- /run/sshd 2>/dev/null || made=yes
    briefly sshd -t || outcome=$?
    [[ $made == no ]] || rmdir -- /run/sshd 2>/dev/null || :
    return "$outcome"
}

# ---- The rules of the kernel's audit -------------------------------------------------------------------------

audit_load() { # STEP; those of the folder as they stand now, but for the lock: it is for the next boot
    local state
    command -v auditctl >/dev/null || return 0 # it went away, and its rules with the next boot
    state=$(auditctl -s 2>&1)
    if [[ $state != *enabled\ [012]* ]]; then
        REASON=$(say audit-off "${state%%$'\n'*}")
        return 1
    elif [[ $state == *enabled\ 2* ]]; then
        say audit-locked "$1"
        return 0
    fi
    audit_rules >"$RUN/audit.rules" && try auditctl -R "$RUN/audit.rules"
}

audit_rules() { # prints the files in the order of augenrules, without what it moves to the ends, and without locks
    local file
    local -r lock='s/^[[:space:]]*-e[[:space:]]*2[[:space:]]*$/-e 1/; /^[[:space:]]*--loginuid-immutable/d'
    printf '%s\n' -D
    find -L /etc/audit/rules.d -maxdepth 1 -type f -name '*.rules' -printf '%f\n' | sort -V | while read -r file; do
        sed -E "/^[[:space:]]*(#|-D|\$)/d; $lock" "/etc/audit/rules.d/$file" || return 1
    done
}

# ---- Our table of nftables --------------------------------------------------------------------------------------

# NOW is "absent", or of the table as it is loaded "POLICY RULES": the digest of the policy that it names,
# and one of all its rules and sets, without what they counted.
table_now() { # STEP
    local rules policy=-
    if [[ $AT_BOOT == 1 ]]; then # no table is loaded yet: the files that are restored say which one will be
        NOW=$BEFORE
        return 0
    fi
    NOW=unreadable
    rules=$(nft list tables 2>/dev/null) || return 0
    NOW=absent
    [[ $'\n'$rules$'\n' == *$'\ntable inet hardentui\n'* ]] || return 0
    NOW=unreadable
    rules=$(nft --stateless --numeric list table inet hardentui 2>/dev/null) && digest "$rules" || return 0
    [[ ! $rules =~ \"hardentui:\ policy\ ([0-9a-f]{16})\" ]] || policy=${BASH_REMATCH[1]}
    NOW="$policy ${REPLY:0:32}"
}

table_expect() { # STEP; rules that somebody else changed are replaced where the policy is one that we know
    case $NOW in
        "${WANTED[$1]} "*) if ours "$1"; then VERDICT=made; else VERDICT=todo; fi ;;
        absent | "${WAS[$1]:-unseen} "*) VERDICT=todo ;;
        unreadable) ;;
        *) ! ours "$1" || VERDICT=todo ;;
    esac
}

table_passes() { # STEP; once it is made: from then on its record says what it really came to
    [[ -z $REACHED && $NOW == "${WANTED[$1]} "* ]]
}

table_save() { # STEP; with the rules that are loaded, as nft reads them again
    numbered "$1"
    {
        printf '%s\n' 'table inet hardentui' 'delete table inet hardentui'
        nft --stateless --numeric list table inet hardentui || :
    } 2>/dev/null >"$RECORD" && flush "$RECORD" || return 1
    value_save "$1" "${WANTED[$1]}"
}

table_make() { # STEP; nft takes a file whole or not at all
    try nft --check --file "${SETS[$1]}" && try nft --file "${SETS[$1]}"
}

table_restore() { # STEP
    numbered "$1"
    [[ $AT_BOOT == 1 ]] || try nft --file "$RECORD"
}

# ---- ufw and firewalld: who holds the firewall loads its own files ----------------------------------------------

# NOW is "absent" where it holds nothing, or "rules DIGEST": of what it has loaded, without what that counted.
holder_now() { # STEP
    local rules
    if [[ $AT_BOOT == 1 ]]; then # it starts after us, and loads the files that are restored
        NOW=$BEFORE
        return 0
    fi
    NOW=unreadable
    rules=$("${TARGET[$1]}_rules" 2>/dev/null) || return 0
    NOW=absent
    [[ -n $rules ]] || return 0
    digest "$rules" && NOW="rules ${REPLY:0:32}"
}

holder_expect() { # STEP; what an earlier run of ours loaded of the files that stand there is not loaded again
    case $NOW in
        absent | unreadable) ;;
        *) if ours "$1" && "${TARGET[$1]}_as_filed"; then VERDICT=made; else VERDICT=todo; fi ;;
    esac
}

holder_passes() { # STEP; once it is made: from then on its record says what it really came to
    [[ -z $REACHED ]] && "${TARGET[$1]}_as_filed"
}

holder_save() { # STEP; what its files do not say is lost once they are loaded, and could not be brought back
    if ! "${TARGET[$1]}_as_filed"; then
        REASON=$(say holder-differs "${TARGET[$1]}")
        return 1
    fi
    value_save "$1" 'what its files say'
}

holder_make() { "${TARGET[$1]}_check" && "${TARGET[$1]}_load"; } # STEP

holder_restore() { # STEP
    [[ $AT_BOOT == 1 ]] || "${TARGET[$1]}_load"
}

has_ipv6() { [[ -e /proc/sys/net/ipv6 ]]; } # 0 when the kernel has it: else ufw leaves its rules for IPv6 alone

ufw_rules() { # prints its rules and the defaults that they end in
    local rules
    # Not what others put into INPUT: no load of its files moves that, and a rollback could not either.
    local -r own='^-(P |A ufw6?-((before|user|after)-(in|out)put|not-local|after-logging|skip-to-policy|track|reject))'
    rules=$(iptables -w -S && { ! has_ipv6 || ip6tables -w -S; }) || return 1
    [[ $'\n'$rules == *$'\n-N ufw-user-input\n'* ]] || return 0
    printf '%s\n' "$rules" | grep -E -e "$own"
}

ufw_as_filed() { # 0 when the rules and defaults that are loaded are those of its files
    local program version chain default
    for program in iptables ip6tables; do
        version=''
        [[ $program == iptables ]] || version=6
        [[ -z $version ]] || has_ipv6 || continue
        ufw_has "$program" "/etc/ufw/user$version.rules" || return 1
        ufw_counts "$program" "/etc/ufw/before$version.rules" "/etc/ufw/after$version.rules" || return 1
        for chain in INPUT OUTPUT FORWARD; do
            default=$(sed -n "s/^DEFAULT_${chain}_POLICY=//p" /etc/default/ufw 2>/dev/null) || return 1
            default=${default//\"/}
            [[ $default != REJECT ]] || default=DROP
            [[ $("$program" -w -S "$chain" 2>/dev/null) == "-P $chain $default"* ]] || return 1
        done
    done
}

ufw_has() { # PROGRAM FILE; 0 when each rule of the file is loaded, and no other in the chains of people's rules
    local line filed=0 loaded
    while IFS= read -r line; do
        [[ $line =~ ^-A\ ufw6?-user-(in|out)put\  ]] || continue
        split "${line//\'/}" ' '
        "$1" -w -C "${WORDS[@]:1}" >/dev/null 2>&1 || return 1
        filed=$((filed + 1))
    done 2>/dev/null <"$2"
    loaded=$("$1" -w -S 2>/dev/null) || return 1
    loaded=$(printf '%s\n' "$loaded" | grep -cE '^-A ufw6?-user-(in|out)put ')
    [[ $loaded == "$filed" ]]
}

ufw_counts() { # PROGRAM FILE...; 0 when around people's rules as many are loaded as the files have
    local filed loaded
    local -r around='-[AI] ufw6?-(before|after)-(in|out)put '
    filed=$(cat -- "${@:2}" 2>/dev/null | grep -cE -e "^$around")
    # Those that lead to people's rules stand in no file.
    loaded=$("$1" -w -S 2>/dev/null | grep -E -e "^$around" | grep -cvE -e '-j ufw6?-user-(in|out)put$')
    [[ $loaded == "$filed" ]]
}

ufw_check() { # the files can be loaded
    try iptables-restore --test --noflush /etc/ufw/user.rules &&
        { ! has_ipv6 || try ip6tables-restore --test --noflush /etc/ufw/user6.rules; }
}

ufw_load() { # as a boot does; ufw reload would write its files anew, and switch it off for a moment
    local program values path value outcome=0
    for program in /usr/lib/ufw/ufw-init /lib/ufw/ufw-init /usr/libexec/ufw/ufw-init ''; do
        [[ ! -x $program ]] || break
    done
    if [[ -z $program ]]; then
        REASON=$(say holder-missing ufw)
        return 1
    fi
    values=$(ufw_values)
    try "$program" force-reload || outcome=1
    while IFS=$'\t' read -r path value; do
        [[ ! -e $path || $(cat -- "$path" 2>/dev/null) == "$value" ]] || kernel_write "$path" "$value" || outcome=1
    done < <(printf '%s\n' "$values")
    return "$outcome"
}

ufw_values() { # prints PATH VALUE of the kernel parameters that it sets beside its rules: they are not ours to move
    local file key
    file=$(sed -n 's/^IPT_SYSCTL=//p' /etc/default/ufw 2>/dev/null)
    sed -n 's,^[[:space:]]*\([a-z][A-Za-z0-9_./-]*\)[[:space:]]*=.*,\1,p' "${file//\"/}" 2>/dev/null | while read -r key; do
        [[ $key == */* ]] || key=${key//.//}
        [[ $key != *..* && -f /proc/sys/$key ]] || continue
        printf '%s\t%s\n' "/proc/sys/$key" "$(cat -- "/proc/sys/$key" 2>/dev/null)"
    done
}

firewalld_rules() { # prints its rules, but for those of single interfaces, which come and go
    local rules
    rules=$(nft list tables) || return 1
    [[ $'\n'$rules$'\n' == *$'\ntable inet firewalld\n'* ]] || return 0
    rules=$(nft --stateless --numeric list table inet firewalld) || return 1
    printf '%s\n' "$rules" | grep -v '[io]ifname' | sort
}

firewalld_listed() { # [--permanent]; prints its zones, policy objects, direct rules and sets, in an order of ours
    local text line name=''
    text=$(firewall-cmd "$@" --list-all-zones && firewall-cmd "$@" --list-all-policies &&
        firewall-cmd "$@" --direct --get-all-rules && firewall-cmd "$@" --direct --get-all-chains &&
        firewall-cmd "$@" --direct --get-all-passthroughs && firewalld_sets "$@") || return 1
    while IFS= read -r line; do
        # Behind a name may stand that it is active, or the default; what belongs to it is set in below.
        [[ $line == [[:space:]]* ]] || name=${line% (*)} line=''
        [[ $line == '  interfaces:'* ]] || printf '%s%s\n' "$name" "$line"
    done < <(printf '%s\n' "$text") | sort
}

firewalld_sets() { # [--permanent]; prints its sets of addresses, and below each what is in it, set in
    local names name entries
    names=$(firewall-cmd "$@" --get-ipsets) || return 1
    split "$names" ' '
    for name in "${WORDS[@]}"; do
        printf 'ipset %s\n' "$name"
        # A set with a time limit has none in its file, and firewall-cmd fails when it is asked for them.
        entries=$(firewall-cmd "$@" --ipset="$name" --get-entries 2>&1) ||
            { [[ $entries == *IPSET_WITH_TIMEOUT* ]] && entries=''; } || return 1
        printf '%s\n' "$entries" | sed 's/^/\t/'
    done
}

firewalld_as_filed() { # 0 when it runs with what its files say, in the default zone that they name
    local filed running name
    filed=$(firewalld_listed --permanent 2>/dev/null) && running=$(firewalld_listed 2>/dev/null) || return 1
    name=$(sed -n 's/^DefaultZone=//p' /etc/firewalld/firewalld.conf 2>/dev/null) || return 1
    [[ $running == "$filed" && $(firewall-cmd --get-default-zone 2>/dev/null) == "${name:-public}" ]] || return 1
    # An interface that somebody keeps in another zone is not under the rules of the default one.
    filed=$(firewall-cmd --get-active-zones 2>/dev/null | sed -n 's/^\([^ ]\{1,\}\).*/\1/p') || return 1
    [[ -z $filed || $filed == "${name:-public}" ]]
}

firewalld_check() { try firewall-cmd --check-config; } # the files can be loaded

firewalld_load() { try firewall-cmd --reload; }

# ---- SELinux: enforcing is a checkpoint -----------------------------------------------------------------------

set_selinux_mode() { # STEP FLAGS BEFORE AFTER
    register "$1" selinux "$2" /sys/fs/selinux/enforce
    WAS[$1]=$3 WANTED[$1]=$4
}

selinux_now() { # STEP; NOW is "absent", "permissive" or "enforcing"
    local value
    NOW=absent
    [[ -e ${TARGET[$1]} ]] || return 0
    NOW=unreadable
    value=$(cat -- "${TARGET[$1]}" 2>/dev/null) || return 0
    case $value in
        0) NOW=permissive ;;
        1) NOW=enforcing ;;
    esac
}

selinux_write() { # MODE
    local value=0
    [[ $1 != enforcing ]] || value=1
    kernel_write /sys/fs/selinux/enforce "$value"
}

# Values are saved before the first step is made: what stops here has changed nothing, and apply called
# again goes on from here.
selinux_save() { # STEP
    [[ ${WANTED[$1]} != enforcing ]] || selinux_ready || return 1
    value_save "$1" "${WANTED[$1]}"
}

selinux_ready() { # 0 when every file has its label, and a person was shown what would have been denied
    local path label
    if [[ -e /.autorelabel ]]; then
        at_checkpoint selinux-relabel
        return 1
    fi
    for path in /etc/passwd /etc/shadow /usr/sbin/sshd /usr/bin/login /var/log; do
        [[ -e $path ]] || continue
        label=$(stat -L -c %C -- "$path" 2>/dev/null) || label=''
        [[ $label == *:*:*_t* && ! $label =~ :(unlabeled|file|default)_t(:|$) ]] && continue
        at_checkpoint selinux-unlabelled "$path"
        return 1
    done
    selinux_looked
}

selinux_looked() { # 0 when nothing was denied since the start but what an earlier apply has shown
    local denials unseen
    local -r seen=$STATE/denials-seen
    if ! denials=$(selinux_denials); then
        REASON=$(say selinux-no-log)
        return 1
    fi
    unseen=$denials
    [[ ! -f $seen ]] || unseen=$(printf '%s\n' "$denials" | grep -vxF -f "$seen")
    [[ -n $unseen ]] || return 0
    say selinux-denials
    printf '%s\n' "$unseen" | show_lines
    printf '%s\n' "$denials" 2>/dev/null >"$seen.tmp" && flush "$seen.tmp" && try mv -fT -- "$seen.tmp" "$seen" || return 1
    at_checkpoint selinux-look
    return 1
}

at_checkpoint() { # KEY ARGUMENT...; no failure: a person is to see to something, and to call apply again
    CHECKPOINT=1 REASON=$(say "$@")
}

selinux_label() { # FILE TARGET; an original that was labelled anew as it lay with us takes the target's label
    [[ -e /sys/fs/selinux/enforce && -e $2 ]] || return 0
    # Not restorecon: it reads /etc/selinux/config, which may be the very file that is out of reach.
    [[ $(stat -c %C -- "$1" 2>/dev/null) != *:var_lib_t* ]] || try chcon --reference="$2" -- "$1"
}

apparmor_date() { # FILE TARGET; AppArmor takes its cache for newer than a profile that has its old date back
    [[ $2 != /etc/apparmor.d/* ]] || try touch -- "$1"
}

selinux_denials() { # prints, each once, DOMAIN CLASS PERMISSIONS TYPE of what was denied since the start
    local key start='' at rest
    while read -r key rest; do [[ $key != btime ]] || start=$rest; done </proc/stat
    is_number "$start" || return 1
    {
        # The kernel's own log has what came before auditd, or all of it without auditd.
        journalctl --boot --dmesg --output=cat --no-pager --quiet || return 1
        find /var/log/audit -maxdepth 1 -type f -name 'audit.log*' -exec cat -- {} + 2>/dev/null || :
    } | selinux_records | while read -r at rest; do
        if is_number "$at" && ((at >= start)); then printf '%s\n' "$rest"; fi
    done | sort -u
}

selinux_records() { # of each record of a denial: SECONDS DOMAIN CLASS PERMISSIONS TYPE
    local -r type='[^: ]*:[^: ]*:\([^: ]*\)[^ ]*'
    # The first of each: a USER_AVC holds the command line of who asked, which may look like a denial.
    sed -n "s/^[^(]*audit(\([0-9]*\)\.[0-9]*:[0-9]*)[^{]*avc:  *denied  *{ \([^}]*\) }.* scontext=$type tcontext=$type tclass=\([a-z0-9_]*\).*/\1 \3 \5 { \2 } \4/p"
}

# ---- Each kind of step, verb by verb ------------------------------------------------------------------------

call() { # VERB STEP; the one place where a kind is chosen
    case $1:${KIND[$2]} in
        now:write | now:edit) file_now "$2" ;;
        now:mode) mode_now "$2" ;;
        now:sysctl) sysctl_now "$2" ;;
        now:mount) mount_now "$2" ;;
        now:unit) unit_now "$2" ;;
        now:off | now:start) state_now "$2" ;;
        now:selinux) selinux_now "$2" ;;
        now:table) table_now "$2" ;;
        now:holder) holder_now "$2" ;;
        expect:write) write_expect "$2" ;;
        expect:edit) edit_expect "$2" ;;
        expect:mount) mount_expect "$2" ;;
        expect:unit) unit_expect "$2" ;;
        expect:start) start_expect "$2" ;;
        expect:table) table_expect "$2" ;;
        passes:table) table_passes "$2" ;;
        save:table) table_save "$2" ;;
        make:table) table_make "$2" ;;
        restore:table) table_restore "$2" ;;
        expect:holder) holder_expect "$2" ;;
        passes:holder) holder_passes "$2" ;;
        save:holder) holder_save "$2" ;;
        make:holder) holder_make "$2" ;;
        restore:holder) holder_restore "$2" ;;
        passes:start) start_passes "$2" ;;
        expect:mode | expect:sysctl | expect:off | expect:selinux) value_expect "$2" ;;
        passes:off) off_passes "$2" ;;
        save:off) off_save "$2" ;;
        save:selinux) selinux_save "$2" ;;
        make:selinux) selinux_write "${WANTED[$2]}" ;;
        restore:selinux) selinux_write "$BEFORE" ;;
        make:off) off_make "$2" ;;
        restore:off) off_restore "$2" ;;
        passes:sysctl) sysctl_passes "$2" ;;
        passes:mount) mount_passes "$2" ;;
        save:write | save:edit) file_save "$2" ;;
        save:mount) value_save "$2" "with ${WANTED[$2]}" ;;
        save:unit) enabling_save "$2" && value_save "$2" enabled ;;
        save:start) enabling_save "$2" && value_save "$2" "${WANTED[$2]}" ;;
        save:mode | save:sysctl) value_save "$2" "${WANTED[$2]}" ;;
        make:write | make:edit) file_make "$2" ;;
        make:mode) safe_folders "$2" && change_mode "${TARGET[$2]}" "${WANTED[$2]}" ;;
        make:sysctl) kernel_write "/proc/sys/${TARGET[$2]}" "${WANTED[$2]}" ;;
        make:mount) mount_change "${TARGET[$2]}" "$BEFORE" "${SETS[$2]}" ;;
        make:unit) try systemctl --root=/ enable -- "${TARGET[$2]}" && flush /etc/systemd/system ;;
        make:start) start_make "$2" ;;
        make:audit) audit_load "$2" ;;
        make:reload) reload_now ;;
        make:check) check_now "$2" ;;
        make:syntax) syntax_now "$2" ;;
        make:service) service_now "$2" ;;
        make:restart) restart_now "$2" ;;
        restore:write | restore:edit) file_restore "$2" ;;
        restore:mode) safe_folders "$2" && change_mode "${TARGET[$2]}" "$BEFORE" ;;
        restore:sysctl) kernel_write "/proc/sys/${TARGET[$2]}" "$BEFORE" ;;
        restore:mount) mount_change "${TARGET[$2]}" "$BEFORE" "${UNSETS[$2]}" ;;
        restore:start) start_restore "$2" ;;
        restore:unit) enabling_restore "$2" ;;
        *) return 1 ;;
    esac
}

value_expect() { # STEP
    case $NOW in
        "${WANTED[$1]}") VERDICT=made ;;
        absent) [[ ${KIND[$1]} != sysctl && ${KIND[$1]} != off ]] || VERDICT=gone ;;
        unreadable) ;;
        "${WAS[$1]}") VERDICT=todo ;;
        *)
            if call passes "$1"; then
                VERDICT=made
            elif ours "$1"; then
                VERDICT=todo
            fi
            ;;
    esac
}

value_save() { # STEP AFTER
    call now "$1"
    BEFORE=$NOW AFTER=$2 REACHED='' FOLDERS=()
    stage_record "$1"
}

is_file() { [[ ${KIND[$1]} == write || ${KIND[$1]} == edit ]]; } # STEP

is_value() { [[ ${KIND[$1]} =~ ^(mode|sysctl|mount|off|selinux)$ ]] || is_firewall "$1"; } # STEP

is_firewall() { [[ ${KIND[$1]} =~ ^(table|holder)$ ]]; } # STEP

is_service() { [[ ${KIND[$1]} =~ ^(service|restart|audit)$ ]]; } # STEP

is_action() { [[ ${KIND[$1]} =~ ^(reload|check|syntax|service|restart|audit)$ ]]; } # STEP

# ---- Looking: what each step would find -----------------------------------------------------------------------

look() { # STEP; sets NOW, and VERDICT: made, todo, gone, unsafe or unexpected
    VERDICT=unexpected
    call now "$1"
    if [[ ${KIND[$1]} =~ ^(write|edit|mode|mount)$ ]] && ! trusted_path "${TARGET[$1]}" 0; then
        VERDICT=unsafe
        return 0
    fi
    call expect "$1"
    return 0
}

look_all() { # fills VERDICTS; 1 when a step cannot be made as planned
    local step files=made outcome=0
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && continue
        look "$step"
        VERDICTS[step]=$VERDICT
        case $VERDICT in
            todo) is_value "$step" || files=todo ;;
            unsafe) outcome=1 && say unsafe "$step" "${TARGET[step]}" "$REPLY" >&2 ;;
            unexpected) outcome=1 && say_unexpected "$step" >&2 ;;
        esac
    done
    # Reloads and checks follow the files: with none to write there is nothing to reload.
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && VERDICTS[step]=$files
        # What is loaded now, and is as filed, is not what the files will say.
        [[ ${KIND[step]}:${VERDICTS[step]} == holder:made ]] && awaits_files "$step" && VERDICTS[step]=todo
    done
    return "$outcome"
}

awaits_files() { # STEP; 0 when a file that a decision writes together with it is still to be written
    local step owner
    split "${OWNERS[$1]-}" ,
    for ((step = 1; step <= STEPS; step++)); do
        is_file "$step" && [[ ${VERDICTS[step]} == todo ]] || continue
        for owner in "${WORDS[@]}"; do [[ ",${OWNERS[step]-}," != *",$owner,"* ]] || return 0; done
    done
    return 1
}

say_unexpected() { # STEP, as it was just looked at
    local step=$1 seen=${WAS[$1]-disabled} counts=0
    if [[ ${KIND[step]} == edit && $NOW == file* ]]; then
        [[ -z $seen ]] || { count_line "$seen" && counts=$REPLY; }
        count_line "${WANTED[step]}"
        say unexpected-lines "$step" "${TARGET[step]}" "$seen" "$counts" "${WANTED[step]}" "$REPLY" "${OWNERS[step]-}"
    else
        [[ ${KIND[step]} != edit ]] || seen='a file'
        say unexpected "$step" "${TARGET[step]}" "$NOW" "$seen" "${OWNERS[step]-}"
    fi
}

to_do() { # [FLAG]; 0 when a step, or one with this flag, is to be made
    local step
    for ((step = 1; step <= STEPS; step++)); do
        [[ ${VERDICTS[step]-} == todo ]] && { [[ -z ${1-} ]] || has_flag "$step" "$1"; } && return 0
    done
    return 1
}

# Sets GROUP to the steps that made something of the target of this one, latest first: of a file there
# may be several. ASK is what the person said of one of them, LOCKS whether one can lock out.
group() { # STEP
    local other
    GROUP=() ASK='' LOCKS=0
    if ! is_file "$1"; then
        [[ -n ${STEP_STATE[$1]-} ]] || return 0
        GROUP=("$1") ASK=${ASKED[$1]-}
        ! has_flag "$1" can-lock-out || LOCKS=1
        return 0
    fi
    for ((other = STEPS; other >= 1; other--)); do
        [[ -n ${STEP_STATE[other]-} && ${TARGET[other]} == "${TARGET[$1]}" ]] || continue
        is_file "$other" || continue
        GROUP+=("$other") ASK=${ASKED[$other]-$ASK}
        ! has_flag "$other" can-lock-out || LOCKS=1
    done
}

# Sets POSITION to where the target stands: before the first of the steps, after one of them, gone, other,
# or foreign (another file system lies there). The record of the first step is loaded then.
position() { # STEP...; those that made something of one target, latest first
    local step
    load_record "$1" || return 1 # of a unit at boot, NOW depends on it
    call now "$1"
    POSITION=other
    for step; do
        load_record "$step" || return 1
        [[ $POSITION == after ]] || ! left_by "$step" || POSITION=after
    done
    if [[ $NOW == "$BEFORE" ]]; then
        POSITION=before
    elif [[ $NOW == absent ]] && is_value "$step" && ! is_firewall "$step"; then
        POSITION=gone
    elif [[ ${KIND[step]} == mount && ${NOW% * *} != "${BEFORE% * *}" ]]; then
        POSITION=foreign
    fi
}

left_by() { # STEP; 0 when NOW is as it left the target
    if is_value "$1" && ! is_firewall "$1" && [[ $RECORD_BOOT != "$BOOT" ]]; then
        # A boot set it anew, from the files, and numbered and named the devices anew.
        REACHED=''
        [[ ${KIND[$1]} != mount || $NOW == absent ]] || same_after_boot
    fi
    if [[ -n $REACHED ]]; then
        [[ $NOW == "$REACHED" ]]
    else
        [[ $NOW == "$AFTER" || "${NOW% *} any" == "$AFTER" ]] || call passes "$1"
    fi
}

same_after_boot() { # BEFORE gets the device of NOW, where the root and the type are the same
    local -r mount='^([^ ]+) ([^ ]+ [^ ]+) ([^ ]*) ([^ ]+ [^ ]+)$'
    [[ $BEFORE =~ $mount ]] || return 0
    local place=${BASH_REMATCH[2]} options=${BASH_REMATCH[4]}
    [[ $NOW =~ $mount && ${BASH_REMATCH[2]} == "$place" ]] || return 0
    BEFORE="${BASH_REMATCH[1]} $place ${BASH_REMATCH[3]} $options"
}

stands() { # STEP; 0 when it was made, and no later step of the run changed the same file again
    local later
    [[ ${STEP_STATE[$1]-} == "done" ]] && ! is_action "$1" || return 1
    is_file "$1" || return 0
    for ((later = $1 + 1; later <= STEPS; later++)); do
        [[ ${STEP_STATE[later]-} == "done" && ${TARGET[later]} == "${TARGET[$1]}" ]] && is_file "$later" && return 1
    done
    return 0
}

in_place() { # STEP; also when what stands there now is as good, or a value went away with its interface
    position "$1" || return 1
    case $POSITION in
        after) return 0 ;;
        foreign) return 1 ;;
        gone) [[ ${KIND[$1]} == sysctl ]] ;;
        *) left_by "$1" || call passes "$1" ;;
    esac
}

replaced() { # STEP; 0 when a later run of ours left its target as it is NOW
    local run
    local -a later=()
    for run in "${RUNS[@]}"; do # newest first
        [[ $run != "$RUN" ]] || break
        ended "$run" || later+=("$run")
    done
    local -a RUNS=("${later[@]}")
    ours "$1"
}

drifted() { # names every step that is not as the run left it; 0 when there is one
    local step outcome=1
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && continue
        has_flag "$step" one-way && continue
        if [[ ${STEP_STATE[step]-} == "done" ]]; then
            ! stands "$step" || in_place "$step" || replaced "$step" && continue
        else
            look "$step"
            [[ $VERDICT == made || $VERDICT == gone ]] && continue
        fi
        say drifted "$step" "${TARGET[step]}" "$NOW"
        outcome=0
    done
    return "$outcome"
}

# ---- Making ---------------------------------------------------------------------------------------------------

make_all() { # the steps of apply in their order; 1 at the first that fails
    local step
    local -a values=()
    # Forwarding resets other values: all of them are saved before the first is written.
    for ((step = 1; step <= STEPS; step++)); do
        if ! is_value "$step" || ! planned "$step"; then continue; fi
        call save "$step" </dev/null || failed "$step" || return 1
        values+=("$step")
    done
    saved "${values[@]}" || not_saved || return 1
    for ((step = 1; step <= STEPS; step++)); do
        planned "$step" || continue
        make_step "$step" </dev/null || failed "$step" || return 1
    done
    # What was really reached is known only now: a later step may have moved the value of an earlier one.
    REASON=''
    for ((step = 1; step <= STEPS; step++)); do
        stands "$step" || continue
        in_place "$step" || not_as_wanted || failed "$step" || return 1
        [[ $POSITION != gone ]] || continue
        reached "$step" || failed "$step" || return 1
    done
    keep_records || not_saved
}

reached() { # STEP; its record says what it really came to, from when it is kept
    REACHED=$NOW
    stage_record "$1"
}

not_saved() {
    say save-failed "$RUN" >&2
    [[ -z $REASON ]] || say reason "$REASON" >&2
    return 1
}

not_as_wanted() { # what was made, or restored, reads back as something else
    REASON=$(say reads-back "$NOW")
    return 1
}

planned() { # STEP; also a value that is right by now: what is written before it may reset it
    has_flag "$1" one-way && return 1
    [[ ${VERDICTS[$1]} == todo || (${KIND[$1]} == sysctl && ${VERDICTS[$1]} == made) ]]
}

failed() { # STEP
    if [[ $CHECKPOINT == 1 ]]; then say step-waits "$1" "${TARGET[$1]}" >&2; else say step-failed "$1" "${TARGET[$1]}" >&2; fi
    [[ -z $REASON ]] || say reason "$REASON" >&2
    return 1
}

make_step() { # STEP
    local step=$1
    REASON=''
    if ! is_action "$step"; then
        # Looked at again: others may have been at work since. A value may also have been set by a step before.
        look "$step"
        case $VERDICT in
            gone) say key-gone "$step" "${TARGET[step]}" && return 0 ;;
            made) [[ ${VERDICTS[step]} != made ]] || return 0 ;;
        esac
        is_value "$step" || { [[ $VERDICT == todo ]] && call save "$step" && saved "$step"; } || not_as_planned "$step" || return 1
    fi
    carry_out "$step" "done" && say step-done "$step" "${TARGET[step]}"
}

carry_out() { # STEP STATE; what was saved is made, read back, and then said to be in this state
    local when=now
    # A value that is saved counts as written for as long as the run is not complete.
    [[ $2 != "done" ]] || ! is_value "$1" || when=later
    is_action "$1" || load_record "$1" || return 1
    journal "$1" doing "$when" && call make "$1" || return 1
    is_action "$1" || in_place "$1" || not_as_wanted || return 1
    # Its files go back first if a later step fails: what they come to then says nothing of what is loaded.
    [[ ${KIND[$1]} != holder ]] || { reached "$1" && keep_records; } || return 1
    journal "$1" "$2" "$when"
}

not_as_planned() { # STEP; others changed it while apply was at work, unless a command failed and said why
    [[ -n $REASON || $VERDICT == todo ]] || say_unexpected "$1" >&2
    return 1
}

make_one_way() { # what nothing can take back before a reboot; 1 when one fails
    local step outcome=0
    for ((step = 1; step <= STEPS; step++)); do
        has_flag "$step" one-way && [[ ${STEP_STATE[step]-} != irreversible ]] || continue
        look "$step"
        case $VERDICT in
            made) continue ;;
            gone) say key-gone "$step" "${TARGET[step]}" ;;
            todo) make_irreversible "$step" </dev/null || failed "$step" || outcome=1 ;;
            *) outcome=1 && say_unexpected "$step" >&2 ;;
        esac
    done
    return "$outcome"
}

make_irreversible() { # STEP
    REASON=''
    [[ -n ${STEP_STATE[$1]-} ]] || { call save "$1" && saved "$1"; } || return 1
    carry_out "$1" irreversible && say one-way-done "$1" "${TARGET[$1]}"
}

# ---- Undoing: nothing that fails stops the rest -----------------------------------------------------------------

undo_run() { # 0 when all is as before; CONFLICTS and FAILURES count what is not
    local step
    local -a begun=() why=()
    trap '' HUP INT TERM PIPE TSTP
    CONFLICTS=0 FAILURES=0
    journal run rolling-back || say journal-failed >&2
    # Links first: what a unit is called cannot be asked once its file is gone.
    for ((step = STEPS; step >= 1; step--)); do
        [[ ${KIND[step]} =~ ^(unit|start)$ ]] && begin_undo "$step" && restore "$step" && end_undo "$step"
    done
    # A file goes back once, however many steps edited it: the first of them has the original.
    for ((step = STEPS; step >= 1; step--)); do
        is_file "$step" && first_of_file "$step" && begin_undo "$step" && restore "$step" && begun+=("$step")
    done
    undo_reload
    undo_values
    undo_services
    # Judged when all has been done: what is said to be as before is so at the end.
    for step in "${begun[@]}"; do
        REASON=${why[step]-}
        end_undo "$step"
    done
    if ((CONFLICTS + FAILURES + DAMAGED > 0)); then
        journal run partial || :
        return 1
    fi
    if ! disarm; then # to be tried again
        FAILURES=1
        say disarm-failed "$RUN/armed" >&2
        journal run partial || :
        return 1
    fi
    journal run rolled-back
}

first_of_file() { # STEP
    group "$1"
    [[ ${#GROUP[@]} != 0 && ${GROUP[-1]} == "$1" ]]
}

restore() { # STEP, whose undoing has begun
    call restore "$1" </dev/null || undo_failed "$1"
}

mark() { # STATE [later]; in the journal, for each step of GROUP
    local step
    for step in "${GROUP[@]}"; do journal "$step" "$1" "${2-}" || :; done
}

undo_reload() { # the manager reads again what it read after apply, once
    local step reloaded=no
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && [[ -n ${STEP_STATE[step]-} && ! ${STEP_STATE[step]} =~ ^(undone|left)$ ]] || continue
        ! is_service "$step" || continue
        if [[ ${KIND[step]} == reload && $reloaded == no ]]; then
            if ! reload_now; then
                if [[ ${ASKED[$step]-} == keep ]]; then
                    say left "$step" "${TARGET[step]}" "$REASON"
                    journal "$step" left later || :
                else
                    undo_failed "$step" || :
                fi
                continue
            fi
            reloaded=yes
        fi
        journal "$step" undone later || :
    done
}

undo_services() { # they read their files again, when the values are back too: one may need an address to listen on
    local step
    for ((step = 1; step <= STEPS; step++)); do
        is_service "$step" && [[ -n ${STEP_STATE[step]-} && ! ${STEP_STATE[step]} =~ ^(undone|left)$ ]] || continue
        # At boot the services start after us, all but one, and read the files that we restored.
        case $AT_BOOT:${KIND[step]} in
            0:service) service_back "$step" || undo_failed "$step" || continue ;;
            0:restart) restart_back "$step" || undo_failed "$step" || continue ;;
            0:audit) audit_load "$step" || undo_failed "$step" || continue ;;
            1:restart) journald_anew "$step" || undo_failed "$step" || continue ;;
        esac
        journal "$step" undone later || :
    done
}

addresses_ready() { # waits while an IPv6 address that came back is tentative: nothing can listen on it yet
    local attempt
    for attempt in 1 2 3 4 5; do
        grep -Eqs '^([0-9a-f]+ +){4}[4-7c-f][0-9a-f] ' /proc/net/if_inet6 || return 0
        sleep 1
    done
}

service_back() { # STEP; 0 when its service lives on with the files of before
    local attempt unit=${TARGET[$1]}
    REASON=''
    booted_systemd || return 0
    if systemctl is-active --quiet -- "$unit"; then
        addresses_ready
        try systemctl reload -- "$unit" || return 1
    elif [[ $UNATTENDED == 0 ]] || ! systemctl is-failed --quiet -- "$unit"; then
        return 0
    fi
    # What sshd cannot bear ends it only after the reload; an address that came back may take seconds to serve.
    for attempt in 1 2 3 4 5; do
        sleep 1
        systemctl is-active --quiet -- "$unit" && return 0
        try systemctl restart -- "$unit" || :
    done
    return 1
}

undo_values() { # all are judged before the first is written, for one of them may reset others
    local step
    local -a values=()
    for ((step = 1; step <= STEPS; step++)); do
        is_value "$step" && begin_undo "$step" && values+=("$step")
    done
    [[ ${#values[@]} == 0 || $DAMAGED == 1 ]] || flush "$RUN/journal" "$RUN" || say journal-failed >&2
    for step in "${values[@]}"; do
        position "$step"
        # A unit of which some links are gone may still be enabled by others.
        [[ $NOW == "$BEFORE" && ${KIND[step]} != off ]] || call restore "$step" </dev/null || why[step]=$REASON
    done
    begun+=("${values[@]}")
}

begin_undo() { # STEP, the first one of its target; 0 when it is to be restored
    local step=$1 state=${STEP_STATE[$1]-} member
    case $state in
        '' | undone | left) return 1 ;;
        irreversible) say needs-reboot "$step" "${TARGET[step]}" && return 1 ;;
        saved) is_value "$step" || return 1 ;;
    esac
    REASON=''
    group "$step"
    for member in "${GROUP[@]}"; do
        is_file "$member" || continue
        temporary "$member"
        rm -f -- "$TEMPORARY" 2>/dev/null
    done
    if ! position "${GROUP[@]}"; then
        [[ $ASK == keep ]] || undo_failed "$step" || return 1
        POSITION=unknown
    fi
    if [[ $ASK == keep && ($POSITION =~ ^(other|foreign|unknown)$ || $state == undo-failed) ]]; then
        say left "$step" "${TARGET[step]}" "$NOW"
        mark left later
        return 1
    fi
    case $POSITION in
        before)
            # A value is looked at again once those before it are written.
            if ! is_value "$step"; then
                remove_folders || undo_failed "$step" || return 1
                mark undone later
                return 1
            fi
            ;;
        gone)
            say target-gone "$step" "${TARGET[step]}"
            mark undone later
            return 1
            ;;
        other | foreign) may_replace "$step" "$state" || return 1 ;;
        after) [[ $state$COMPLETE != saved1 ]] || { mark undone later && return 1; } ;;
    esac
    if is_value "$step"; then mark undoing later; else mark undoing; fi
}

may_replace() { # STEP STATE; whether what stands there, which is neither before nor after, may go
    local step=$1 state=$2 before=$BEFORE
    if [[ $POSITION == other ]]; then
        if is_value "$step" || [[ ${KIND[step]} == start ]]; then
            case $state$COMPLETE in
                doing? | undoing? | undo-failed? | saved0) return 0 ;;
                saved1) mark undone later && return 1 ;; # we never wrote it
            esac
        fi
        if [[ $ASK == force || $UNATTENDED$LOCKS == 11 ]]; then
            set_aside "$step" || undo_failed "$step" || return 1
            return 0 # with a number: in a trap, where apply failed, return alone gives the status of before it
        fi
    fi
    CONFLICTS=$((CONFLICTS + 1))
    load_record "${GROUP[0]}"
    say conflict "$step" "${TARGET[step]}" "$NOW" "${REACHED:-$AFTER}" "$before"
    show_difference "${GROUP[0]}"
    if [[ $POSITION == foreign ]]; then say conflict-foreign "$step"; else say conflict-choice "$step" "$step"; fi
    mark conflict later
    return 1
}

set_aside() { # STEP; keeps what others put there beside our original
    local found=$RECORD.found
    try rm -rf -- "$found" || return 1
    if is_file "$1" && [[ $NOW != absent ]]; then
        try cp -a -- "${TARGET[$1]}" "$found" || return 1
    else
        printf '%s\n' "$NOW" 2>/dev/null >"$found" || return 1
    fi
    # Through a link sync would reach for what it points to.
    [[ -L $found || ! -f $found ]] || flush "$found" || return 1
    flush "$RUN/before" && say set-aside "$1" "${TARGET[$1]}" "$found"
}

show_difference() { # STEP; what others changed in a file of ours
    is_file "$1" && [[ $NOW == file* ]] || return 0
    diff -u -- "$RECORD.new" "${TARGET[$1]}" 2>/dev/null | show_lines
}

undo_failed() { # STEP
    FAILURES=$((FAILURES + 1))
    say undo-failed "$1" "${TARGET[$1]}" >&2
    [[ -z $REASON ]] || say reason "$REASON" >&2
    group "$1"
    mark undo-failed later
    return 1
}

end_undo() { # STEP
    local member
    group "$1"
    if position "${GROUP[@]}" && [[ $POSITION == before || $POSITION == gone ]]; then
        mark undone later
        for member in "${GROUP[@]}"; do say step-undone "$member" "${TARGET[member]}"; done
    else
        [[ -n $REASON ]] || not_as_wanted || :
        undo_failed "$1" || :
    fi
}

say_undone() { # all is as before, but for what was left as it is, or cannot be reached before a reboot
    if [[ " ${STEP_STATE[*]} " =~ \ (irreversible|left)\  ]]; then say undone-but; else say undone-all; fi
}

# ---- The confirm guard ----------------------------------------------------------------------------------------

armed() { [[ -e $RUN/armed ]]; }

arm() { # DEADLINE_SECONDS; 1 when the guard is not really watching
    local folder=made
    [[ ! -d $BOOT_WANTS ]] || folder=found
    allowance
    set_deadline "$(($1 + REPLY))" "$folder" && write_boot_unit || return 1
    systemctl reset-failed -- "$GUARD" >/dev/null 2>&1 || :
    systemd-run --quiet --unit="$GUARD" --service-type=exec --property=Restart=on-failure \
        --property=RestartSec=1 --property=StartLimitIntervalSec=0 \
        --property=RestartPreventExitStatus="$DRIFTED" --description='hardentui: waits for confirm' \
        -- /bin/bash -p "$RUN/script.sh" guard "$DEADLINE" "$BOOT" >/dev/null 2>&1 || return 1
    systemctl is-active --quiet -- "$GUARD"
}

allowance() { # sets REPLY to the seconds that apply itself has for its steps; when it ends, the deadline begins anew
    local step
    REPLY=0
    for ((step = 1; step <= STEPS; step++)); do
        # firewall-cmd, which is asked many times, starts for a second where the machine is busy.
        if [[ ${KIND[step]} == holder ]]; then REPLY=$((REPLY + 60)); else REPLY=$((REPLY + 2)); fi
    done
}

set_deadline() { # SECONDS FOLDER; `armed` says when, in which boot, and whether the folder of links was ours
    local up
    read -r up _ </proc/uptime || return 1
    DEADLINE=$((${up%.*} + $1))
    printf '%s %s %s\n' "$DEADLINE" "$BOOT" "$2" 2>/dev/null >"$RUN/armed.tmp" || return 1
    flush "$RUN/armed.tmp" && try mv -fT -- "$RUN/armed.tmp" "$RUN/armed" && flush "$RUN"
}

read_deadline() { # DEADLINE is what `armed` says
    local deadline
    read -r deadline _ 2>/dev/null <"$RUN/armed" && [[ $deadline =~ ^[1-9][0-9]{0,11}$ ]] || return 1
    DEADLINE=$deadline
}

write_boot_unit() { # a reboot before confirm means not confirmed
    trusted_path "$BOOT_UNIT" 0 && [[ ! -L $BOOT_UNIT && ! -L $BOOT_WANTS ]] || return 1
    printf '%s\n' '[Unit]' 'Description=hardentui: takes back a run that nobody confirmed' \
        'DefaultDependencies=no' "RequiresMountsFor=$STATE" \
        'After=local-fs.target systemd-sysctl.service' \
        'Before=sysinit.target network-pre.target ssh.service sshd.service nftables.service firewalld.service ufw.service' \
        'Before=auditd.service audit-rules.service apparmor.service systemd-timesyncd.service' \
        'Conflicts=shutdown.target' 'Before=shutdown.target' "ConditionPathExists=$RUN/armed" \
        '[Service]' 'Type=oneshot' 'TimeoutStartSec=300' "ExecStart=/bin/bash -p $RUN/script.sh boot" \
        '[Install]' 'WantedBy=sysinit.target' 2>/dev/null >"$BOOT_TEMPORARY" || return 1
    chmod 0644 -- "$BOOT_TEMPORARY" && flush "$BOOT_TEMPORARY" || return 1
    mv -fT -- "$BOOT_TEMPORARY" "$BOOT_UNIT" || return 1
    [[ -d $BOOT_WANTS ]] || mkdir -m 0755 -- "$BOOT_WANTS" || return 1
    ln -sfnT -- "$BOOT_UNIT" "$BOOT_WANTS/${BOOT_UNIT##*/}" || return 1
    flush "${BOOT_UNIT%/*}" "$BOOT_WANTS"
}

disarm() { # the run is over: neither the guard nor a boot takes anything back
    local folder=''
    armed || return 0
    read -r _ _ folder <"$RUN/armed" || :
    rm -f -- "$BOOT_WANTS/${BOOT_UNIT##*/}" "$BOOT_UNIT" "$BOOT_TEMPORARY" || return 1
    [[ $folder != made ]] || rmdir -- "$BOOT_WANTS" 2>/dev/null || :
    flush "${BOOT_UNIT%/*}" || return 1
    rm -f -- "$RUN/armed" && flush "$RUN" || return 1
    [[ $UNATTENDED == 1 ]] || ! booted_systemd || systemctl stop -- "$GUARD" >/dev/null 2>&1 || :
}

process() { # PID; sets PARENT, TERMINAL (a device number) and STARTED (hundredths since boot)
    local text
    text=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # After the name in brackets, which may hold anything: state, parent, group, session, terminal ...
    [[ $text =~ ^.*\)\ [A-Za-z]\ ([0-9]+)\ -?[0-9]+\ -?[0-9]+\ (-?[0-9]+)(\ -?[0-9]+){14}\ ([0-9]+)\  ]] || return 1
    PARENT=${BASH_REMATCH[1]} TERMINAL=${BASH_REMATCH[2]} STARTED=${BASH_REMATCH[4]}
}

fresh_login() { # 0 when we come over an ssh connection that began after apply ended; else REPLY says why not
    local pid=$$ program applied=${APPLIED_UP/./}
    local PARENT TERMINAL STARTED
    REPLY=no-ssh
    while process "$pid"; do
        pid=$PARENT
        ((pid > 1)) || return 1
        program=$(readlink -- "/proc/$pid/exe" 2>/dev/null) || continue
        [[ ${program% (deleted)} =~ ^(/usr)?/(s?bin|lib[^/]*|libexec)/(.*/)?sshd(-session)?$ ]] || continue
        connection "$pid" || continue
        process "$pid" || return 1
        REPLY='old-login'
        ((STARTED > 10#$applied)) || return 1
        REPLY="own-address"
        own_address "$PEER" && return 1
        return 0
    done
    return 1
}

connection() { # PID; sets PEER to the other end of a TCP connection that it owns
    local name peer state inode sockets
    sockets=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null)
    while read -r _ _ peer state _ _ _ _ _ inode _; do
        name="socket:[$inode]"
        [[ $state == 01 && $'\n'$sockets$'\n' == *$'\n'"$name"$'\n'* ]] || continue
        PEER=${peer%:*}
        # An IPv4 address that came in over an IPv6 socket.
        [[ ${#PEER} != 32 || $PEER != 0000000000000000FFFF0000* ]] || PEER=${PEER:24}
        return 0
    done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    return 1
}

own_address() { # ADDRESS, as /proc/net/tcp writes it; 0 when it is this host's own
    local line last='' hex
    [[ $1 != ??????7F && $1 != 00000000000000000000000001000000 ]] || return 0
    while read -r line; do
        if [[ $line =~ ([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]]; then
            printf -v last '%02X%02X%02X%02X' "${BASH_REMATCH[4]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}"
        fi
        [[ $line != *'host LOCAL'* || $last != "$1" ]] || return 0
    done < <(cat /proc/net/fib_trie 2>/dev/null)
    while read -r hex _; do
        [[ $hex =~ ^[0-9a-f]{32}$ ]] || continue
        hex=${hex^^}
        swap_words "$hex"
        [[ $REPLY != "$1" ]] || return 0
    done < <(cat /proc/net/if_inet6 2>/dev/null)
    return 1
}

swap_words() { # HEX; sets REPLY: the bytes of each word of 32 bits the other way round
    local hex=$1 word
    REPLY=''
    while [[ -n $hex ]]; do
        word=${hex:0:8}
        REPLY+=${word:6:2}${word:4:2}${word:2:2}${word:0:2}
        hex=${hex:8}
    done
}

on_console() { # we sit at the machine itself, also when sudo has put a terminal of its own in between
    local pid=$$
    local PARENT TERMINAL STARTED
    process "$pid" || return 1
    ! is_console "$TERMINAL" || return 0
    while ((PARENT > 1)); do
        pid=$PARENT
        process "$pid" || return 1
        is_login "$pid" && is_console "$TERMINAL" && return 0
    done
    return 1
}

is_login() { # PID; root's own program that lets people in at a terminal
    [[ $(stat -c %u -- "/proc/$1" 2>/dev/null) == 0 ]] || return 1
    [[ $(readlink -- "/proc/$1/exe" 2>/dev/null) =~ ^(/usr)?/s?bin/(login|agetty|sulogin)(\ \(deleted\))?$ ]]
}

is_console() { # DEVICE_NUMBER; a screen or a serial line of the machine itself
    local major=$((($1 >> 8) & 0xfff)) minor=$(($1 & 0xff))
    (($1 > 0)) || return 1
    case $major in
        4) ((minor > 0)) ;;
        5) ((minor == 1)) ;;
        204 | 229) return 0 ;;
        *) return 1 ;;
    esac
}

# ---- Runs and the state folder --------------------------------------------------------------------------------

check_state() { # refuses a state folder that is not root's alone
    [[ -e $STATE || -L $STATE ]] || return 0
    trusted_path "$STATE" 0 || refuse untrusted-folder "$REPLY"
    [[ $(stat -c '%u %a %F' -- "$STATE" 2>/dev/null) == '0 700 directory' ]] || refuse untrusted-folder "$STATE"
}

find_runs() { # RUNS: newest first
    RUNS=()
    [[ -d $STATE/runs && $EUID == 0 ]] || return 0
    mapfile -t RUNS < <(find "$STATE/runs" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | sort -rV)
}

standing_runs() { # RUNS: those that were not rolled back, as far as one can tell; leaves the newest one loaded
    local run
    local -a standing=()
    find_runs
    for run in "${RUNS[@]}"; do
        ended "$run" && continue
        # Of one below the newest only the records matter.
        if read_journal "$run" && [[ $RUN_STATE == rolled-back || $RUN_STATE == none ]]; then continue; fi
        standing+=("$run")
    done
    RUNS=("${standing[@]}")
    if [[ ${#RUNS[@]} == 0 ]]; then
        RUN='' RUN_STATE=none
    else
        load_journal "${RUNS[0]}"
    fi
}

is_ours() { cmp -s -- "$SELF" "$1/script.sh"; } # RUN

new_run() { # sets RUN: a folder of its own with root's copy of this script; 1 when it cannot be made
    local number=0 sum
    find_runs
    [[ ${#RUNS[@]} == 0 ]] || number=${RUNS[0]##*/} number=${number%%-*}
    [[ $number =~ ^[0-9]{1,6}$ ]] || return 1
    sum=$(sha256sum <"$SELF") || return 1
    printf -v RUN '%s/runs/%04d-%s' "$STATE" "$((10#$number + 1))" "${sum:0:12}"
    rm -rf -- "$STATE/.new" && mkdir -p -- "$STATE/runs" "$STATE/.new/before" "$STATE/.new/staged" 2>/dev/null || return 1
    cat -- "$SELF" 2>/dev/null >"$STATE/.new/script.sh" && cmp -s -- "$SELF" "$STATE/.new/script.sh" || return 1
    flush "$STATE/.new/script.sh" "$STATE/.new/before" "$STATE/.new/staged" "$STATE/.new" && mv -T -- "$STATE/.new" "$RUN" && flush "$STATE/runs" "$STATE"
}

run_copy() { # VERB ARGUMENT...; goes on in root's own copy, which nobody else can change
    local sum
    sum=$(sha256sum <"$RUN/script.sh") || refuse unreadable "$RUN/script.sh"
    say running-copy "${sum%% *}" "$RUN/script.sh"
    exec /bin/bash -p -- "$RUN/script.sh" "$@"
}

lock() { # WAIT_OR_NOT; holds descriptor 9. Verbs run with "9<&-", so that nothing they start inherits it
    [[ -d $STATE ]] || mkdir -m 0700 -- "$STATE" 2>/dev/null || refuse no-state "$STATE"
    exec 9<"$STATE" || refuse no-state "$STATE"
    if [[ $1 == wait ]]; then
        flock -w 2 9 || end_holder || exit "$LOCKED"
    elif ! flock -n 9; then
        say locked >&2
        exit "$LOCKED"
    fi
}

end_holder() { # the time is over: what still holds the lock, stopped by Ctrl-Z or hanging, is ended
    local signal pid i
    local -a held children
    for signal in TERM KILL; do
        mapfile -t held < <(holders)
        for ((i = 0; i < ${#held[@]}; i++)); do
            pid=${held[i]} children=()
            read -r -a children 2>/dev/null <"/proc/$pid/task/$pid/children" || :
            [[ $signal == TERM ]] || held+=("${children[@]}")
        done
        kill -s "$signal" -- "${held[@]}" 2>/dev/null
        kill -s CONT -- "${held[@]}" 2>/dev/null
        flock -w 5 9 && return 0
    done
    return 1
}

holders() { # prints the ids of our other scripts that hold the lock: also of a shell whose script was killed
    local pid
    exec 9<&-
    find /proc -maxdepth 3 -path '/proc/[0-9]*/fd/*' -lname "$STATE" -printf '%h\n' 2>/dev/null |
        while IFS=/ read -r _ _ pid _; do
            [[ $pid != "$$" && $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == "/bin/bash -p -- $STATE/runs/"* ]] || continue
            printf '%s\n' "$pid"
        done
}

# ---- Verbs ----------------------------------------------------------------------------------------------------

help() {
    local verb
    for verb in usage usage-review usage-apply usage-confirm usage-rollback usage-status usage-exit; do say "$verb"; done
}

review() {
    local step i outcome=0
    say about "$HOST_NAME" "$STEPS"
    [[ $EUID == 0 ]] || say review-not-root
    standing_runs
    for ((i = 0; i < ${#DECISION[@]}; i++)); do say decision "${DECISION[i]}" "${TITLE[i]}"; done
    look_all || outcome=$REFUSED
    for ((step = 1; step <= STEPS; step++)); do review_step "$step"; done
    for ((i = 0; i < ${#BY_HAND[@]}; i++)); do
        say by-hand
        printf '%s\n' "${BY_HAND[i]}" | show_lines
    done
    ! to_do can-lock-out || say will-need-confirm
    return "$outcome"
}

review_step() { # STEP
    local step=$1 old=${TARGET[$1]}
    case ${VERDICTS[step]} in
        made) say review-made "$step" "${TARGET[step]}" && return 0 ;;
        gone) say key-gone "$step" "${TARGET[step]}" && return 0 ;;
        unsafe | unexpected) return 0 ;;
    esac
    say review-todo "$step" "${TARGET[step]}" "${OWNERS[step]-}"
    call now "$step"
    case ${KIND[step]} in
        write | edit)
            [[ $NOW != absent ]] || old=/dev/null
            wanted_text "$step" "$old" | diff -u --label "$old" --label "${TARGET[step]}" -- "$old" - | show_lines
            ;;
        mount) mount_flags "$NOW" && say review-value "$REPLY" "+${SETS[step]}" ;;
        mode | sysctl | off | start | selinux) say review-value "$NOW" "${WANTED[step]}" ;;
        audit) say review-audit ;;
        table) say review-firewall "${SETS[step]}" ;;
        holder) say review-holder "${TARGET[step]}" ;;
        unit) say review-value "$NOW" enabled ;;
        reload) say review-reload ;;
        check) say review-check ;;
        syntax) say review-syntax "${TARGET[step]}" ;;
        service) say review-service "${TARGET[step]}" ;;
        restart) say review-restart "${TARGET[step]}" ;;
    esac
    ! has_flag "$step" one-way || say review-one-way
}

open_run() { # refuses when a run waits for its end
    [[ ${#RUNS[@]} == 0 || $RUN_STATE == kept ]] || refuse run-open "${RUN##*/}" "$RUN_STATE" "$RUN/script.sh"
}

prepare_apply() { # DEADLINE GUARDED; ends in root's copy of this script
    local run
    standing_runs
    for run in "${RUNS[@]}"; do
        is_ours "$run" || continue
        RUN=$run
        run_copy apply
    done
    open_run
    look_all || refuse nothing-done
    if ! to_do; then
        say nothing-to-do
        exit 0
    fi
    if to_do can-lock-out && [[ $2 == yes ]] && ! booted_systemd; then refuse no-guard; fi
    if ! new_run; then
        rm -rf -- "$STATE/.new" 2>/dev/null
        refuse no-run "$STATE"
    fi
    if [[ $2 == yes ]]; then run_copy apply --deadline "$1"; else run_copy apply --deadline "$1" --without-guard; fi
}

apply() { # DEADLINE GUARDED; in root's copy
    local own=$RUN folder
    find_runs
    load_journal "$own"
    case $RUN_STATE in
        applied | kept) again ;;
        none) ;;
        rolled-back) refuse spent-copy "${RUN##*/}" ;;
        *) refuse run-open "${RUN##*/}" "$RUN_STATE" "$RUN/script.sh" ;;
    esac
    standing_runs
    open_run
    load_journal "$own"
    look_all || refuse nothing-done
    begin_apply "$@"
    make_all || exit "$FAILED"
    if to_do can-lock-out || to_do one-way; then
        if armed; then
            read -r _ _ folder <"$RUN/armed"
            set_deadline "$1" "$folder" || exit "$FAILED"
        fi
        journal run applied || exit "$FAILED"
        APPLYING=0
        ! to_do one-way || say applied-one-way
        if armed; then say applied-guarded "$(remaining)" "$RUN/script.sh"; else say applied "$RUN/script.sh"; fi
    else
        journal run kept || exit "$FAILED"
        APPLYING=0
        say kept
    fi
}

again() { # apply on top of what was applied changes nothing
    local pending=$RUN_STATE
    drifted && exit "$DRIFTED"
    say all-after
    [[ $pending == kept ]] || say waiting-confirm "$RUN/script.sh"
    exit 0
}

begin_apply() { # DEADLINE GUARDED; from here on, however we end, the journal decides what is undone
    journal run preparing || refuse no-run "$RUN"
    APPLYING=1
    trap 'exit "$FAILED"' HUP INT TERM
    trap finish EXIT
    if to_do can-lock-out; then
        if [[ $2 != yes ]]; then
            say without-guard >&2
        elif ! arm "$1"; then
            say guard-failed >&2
            exit "$REFUSED"
        fi
    fi
    journal run applying || exit "$FAILED"
}

finish() { # at the end of apply, whatever ended it
    local outcome=$FAILED
    trap '' HUP INT TERM TSTP
    [[ $APPLYING == 1 && ($RUN_STATE == preparing || $RUN_STATE == applying) ]] || return 0
    # Before the first step nothing was changed: then it is a refusal.
    [[ $RUN_STATE == applying && $CHECKPOINT == 0 ]] || outcome=$REFUSED
    trap - EXIT
    [[ $CHECKPOINT == 1 ]] || say undoing >&2
    if undo_run; then
        say_undone >&2
    else
        say undone-partly "$RUN/script.sh" >&2
        outcome=$DRIFTED
    fi
    exit "$outcome"
}

remaining() { # prints the seconds that are left to confirm
    local up
    read_deadline && read -r up _ </proc/uptime && printf '%d' "$((DEADLINE - ${up%.*}))"
}

confirm() { # CONSOLE
    local own=$RUN
    load_journal "$own"
    [[ $RUN_STATE == applied || $RUN_STATE == kept ]] || refuse not-applied "$RUN_STATE"
    if [[ $RUN_STATE == applied ]]; then
        [[ $BOOT == "$APPLIED_BOOT" ]] || refuse other-boot
        if armed; then
            if [[ $1 == yes ]]; then
                on_console || refuse no-console
            else
                fresh_login || refuse "$REPLY"
            fi
        fi
        journal run kept || exit "$FAILED"
    fi
    disarm || say disarm-failed "$RUN/armed" >&2
    standing_runs
    load_journal "$own"
    make_one_way || exit "$FAILED"
    say kept
}

rollback() {
    local own=$RUN
    standing_runs
    if [[ $RUN != "$own" ]]; then
        load_journal "$own"
        [[ $RUN_STATE != none && $RUN_STATE != rolled-back ]] || refuse not-applied "$RUN_STATE"
        refuse not-newest "${RUNS[0]##*/}" "${RUNS[0]}/script.sh"
    fi
    if undo_run; then say_undone; else say undone-partly "$RUN/script.sh" >&2; fi
    ((FAILURES == 0)) || exit "$FAILED"
    ((CONFLICTS == 0)) || exit "$DRIFTED"
    [[ $RUN_STATE == rolled-back ]] || exit "$FAILED"
}

guard() { # DEADLINE BOOT_ID
    [[ $BOOT == "$2" ]] || exit 0
    # Without what apply was given for its steps: so long a person may see to an apply that died.
    allowance
    local -r patience=$(($1 - REPLY))
    DEADLINE=$1 UNATTENDED=1
    # Also when the lock is ours: an apply that ended meanwhile has set a new deadline.
    until { due || abandoned "$patience"; } && lock wait && { due || unfinished; }; do
        exec 9<&-
        sleep 1
    done
    take_back 9<&-
}

abandoned() { # UPTIME; whether it has passed, and apply died before its end: else it holds the lock until then
    local up
    read -r up _ </proc/uptime && ((${up%.*} >= $1)) || return 1
    [[ $RUN_STATE != applied ]] && flock -n "$STATE" true || return 1
    unfinished # read without the lock: a person may want it now
}

unfinished() {
    load_journal "$RUN"
    [[ $DAMAGED == 1 || $RUN_STATE =~ ^(none|preparing|applying)$ ]]
}

due() { # whether the deadline has passed; the one in `armed` holds, where there is one
    local up
    read_deadline
    read -r up _ </proc/uptime && ((${up%.*} >= DEADLINE))
}

boot() { # at boot, before the network: what nobody confirmed is taken back
    local armed_boot=''
    armed || exit 0
    read -r _ armed_boot _ <"$RUN/armed" || :
    [[ $BOOT != "$armed_boot" ]] || exit 0
    AT_BOOT=1
    lock wait
    take_back 9<&-
}

take_back() { # nobody is there: steps that can lock out are restored whatever stands there
    local attempt
    UNATTENDED=1
    load_journal "$RUN"
    if [[ $DAMAGED == 1 ]]; then
        armed || exit "$DRIFTED"
        alarm damaged-unattended "$RUN/journal"
        suspect_all
    elif [[ $RUN_STATE =~ ^(none|kept|rolled-back)$ ]]; then
        disarm || exit "$FAILED"
        return 0
    fi
    for attempt in 1 2 3; do
        undo_run && alarm taken-back "$HOST_NAME" && return 0
        ((FAILURES > 0)) || break
        ((attempt == 3)) || sleep 2
    done
    ((FAILURES > 0)) || disarm
    alarm taken-back-partly "$HOST_NAME" "$RUN/script.sh"
    exit "$DRIFTED"
}

suspect_all() { # with a damaged journal every step that can lock out, and has a whole record, counts as begun
    local step
    STEP_STATE=() COMPLETE=0
    for ((step = 1; step <= STEPS; step++)); do
        has_flag "$step" one-way && continue
        if [[ ${KIND[step]} == reload ]] || { has_flag "$step" can-lock-out && load_record "$step"; }; then
            STEP_STATE[step]=doing
        fi
    done
}

status() {
    local run step outcome=0
    find_runs
    [[ ${#RUNS[@]} != 0 ]] || say no-runs
    local -a all=("${RUNS[@]}")
    for run in "${all[@]}"; do
        if ended "$run"; then RUN_STATE=rolled-back; else read_journal "$run" || RUN_STATE=damaged; fi
        say run-state "${run##*/}" "$RUN_STATE"
        [[ $RUN_STATE =~ ^(kept|rolled-back|none)$ ]] || outcome=$DRIFTED
    done
    for run in "${all[@]}"; do
        is_ours "$run" || continue
        load_journal "$run"
        say steps-of "${run##*/}"
        for ((step = 1; step <= STEPS; step++)); do status_step "$step" || outcome=$DRIFTED; done
        case $RUN_STATE in
            applied) say waiting-confirm "$RUN/script.sh" ;;
            kept | rolled-back) ;;
            partial) say waiting-choice "$RUN/script.sh" ;;
            *) say waiting-rollback "$RUN/script.sh" ;;
        esac
        return "$outcome"
    done
    say not-applied none
    return "$outcome"
}

status_step() { # STEP; 1 when others changed what we made
    local step=$1 state=${STEP_STATE[$1]--}
    if stands "$step"; then
        if in_place "$step"; then
            [[ $POSITION != gone ]] || state=gone
        elif replaced "$step"; then
            state=replaced
        else
            say drifted "$step" "${TARGET[step]}" "$NOW"
            return 1
        fi
    fi
    if has_flag "$step" one-way && [[ $state == - ]]; then state=waiting; fi
    say step-state "$step" "$state" "${TARGET[step]}"
}

# ---- From the words on the command line to a verb ---------------------------------------------------------------

wrong_usage() {
    help >&2
    exit "$USAGE"
}

demand() { [[ $2 =~ $1 ]] || wrong_usage; } # GRAMMAR TEXT

check_host() {
    local id=''
    [[ ! -r /etc/machine-id ]] || read -r id </etc/machine-id
    [[ -n $MACHINE_ID && $id == "$MACHINE_ID" ]] || refuse wrong-host "$HOST_NAME"
}

check_script() { # nobody but root, or the person behind sudo, may be able to change what we run
    local line person=${SUDO_UID-0}
    [[ $EUID == 0 ]] || person=$EUID
    [[ $person =~ ^[0-9]{1,10}$ ]] || person=0
    trusted_path "$SELF" 0 "$person" || refuse untrusted-folder "$REPLY"
    line=$(stat -c '%u %A' -- "$SELF") || refuse unreadable "$SELF"
    [[ $line =~ ^(0|$person)\ -....[^w]..[^w].$ ]] || refuse untrusted-script "$SELF"
}

in_copy() { [[ $SELF =~ ^"$STATE"/runs/[0-9]{4,6}-[0-9a-f]{12}/script\.sh$ ]]; }

own_run() { # sets RUN to the newest run of this very script
    local run
    find_runs
    for run in "${RUNS[@]}"; do
        if is_ours "$run"; then
            RUN=$run
            return 0
        fi
    done
    standing_runs
    [[ ${#RUNS[@]} == 0 ]] || refuse other-script "${RUNS[0]##*/}" "${RUNS[0]}/script.sh"
    refuse not-applied none
}

verb_apply() { # OPTION...
    local deadline=120 guarded=yes
    while (($# > 0)); do
        case $1 in
            --deadline)
                demand '^[1-9][0-9]{1,3}$' "${2-}"
                deadline=$2
                ((deadline >= 30 && deadline <= 3600)) || wrong_usage
                shift
                ;;
            --without-guard) guarded=no ;;
            *) wrong_usage ;;
        esac
        shift
    done
    lock now
    if in_copy; then apply "$deadline" "$guarded" 9<&-; else prepare_apply "$deadline" "$guarded" 9<&-; fi
}

verb_confirm() { # OPTION
    local console=no
    case $#:${1-} in
        0:) ;;
        1:--from-console) console=yes ;;
        *) wrong_usage ;;
    esac
    if in_copy; then
        lock now
        confirm "$console" 9<&-
    else
        own_run
        run_copy confirm "$@"
    fi
}

one_wish_a_file() { # 1 when steps that edit one file were asked both to force and to keep what stands there
    local step
    local -A wish=()
    for step in "${!ASKED[@]}"; do
        is_file "$step" || continue
        [[ ${wish[${TARGET[step]}]-${ASKED[$step]}} == "${ASKED[$step]}" ]] || return 1
        wish[${TARGET[step]}]=${ASKED[$step]}
    done
}

verb_rollback() { # OPTION...
    local -a words=("$@")
    while (($# > 0)); do
        demand '^--(force|keep)$' "$1"
        demand '^[1-9][0-9]{0,3}$' "${2-}"
        if [[ -n ${ASKED[$2]-} ]] || (($2 > STEPS)); then wrong_usage; fi
        ASKED[$2]=${1#--}
        shift 2
    done
    one_wish_a_file || wrong_usage
    if in_copy; then
        lock now
        rollback 9<&-
    else
        own_run
        run_copy rollback "${words[@]}"
    fi
}

main() {
    local verb=${1-review}
    (($# == 0)) || shift
    umask 077
    set -fu -o pipefail
    trap '' PIPE
    SELF=$(realpath -e -- "${BASH_SOURCE[0]}") || exit "$REFUSED"
    cd / || exit "$REFUSED"
    exec </dev/null
    read -r BOOT </proc/sys/kernel/random/boot_id || exit "$REFUSED"
    about
    messages
    plan
    case $verb in
        help | --help | -h)
            help
            return 0
            ;;
        review | status) (($# == 0)) || wrong_usage ;;
        apply | confirm | rollback) ;;
        guard) demand '^[1-9][0-9]{0,11} [0-9a-f-]{36}$' "$*" ;;
        boot) (($# == 0)) || wrong_usage ;;
        *) wrong_usage ;;
    esac
    check_script
    check_host
    [[ $verb == review || $EUID == 0 ]] || refuse not-root
    [[ $EUID != 0 ]] || check_state
    ! in_copy || RUN=${SELF%/*}
    case $verb in
        review) review ;;
        status) status ;;
        apply) verb_apply "$@" ;;
        confirm) verb_confirm "$@" ;;
        rollback) verb_rollback "$@" ;;
        guard) in_copy && guard "$@" ;;
        boot) in_copy && boot ;;
    esac
}
