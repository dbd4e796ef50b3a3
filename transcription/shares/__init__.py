"""Links by which people without an account see a transcript and hear its sound, and may write where the link says so.

models    a link and who opened it
links     members and programs make, list and revoke links
secrets   what a link's address is made of; `guest_mails` bring guests theirs
leavers   the links of people who leave
visits    what a link's holder may do: find it, give its password, open it
visitors  who opened a link, as far as that is kept; `read_audit` writes it to the audit log
guests    who writes by a link, and what they may; `comments` what they read and write of comments,
          `corrections` the lines that they correct
text      the text that a link gives, cut to its excerpt: nobody else reads a text for a link
sound     the sound that a link gives, cut to its excerpt: nobody else reads a sound for a link
cutting   the sweeper's task that makes the sound of links
"""
